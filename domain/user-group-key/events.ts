import { z } from 'zod';
import { eventOf } from '../event-schema.ts';
import type { UserGroup } from '../user-group/decider.ts';
import { type GroupType, groupTypes } from '../user-group/events.ts';

export const userGroupKeyStream = ({ groupType, key }: UserGroupKey): string =>
  `user-group-key/${groupType}/${key}`;

/** By which a group is told from the others of its type. */
export interface UserGroupKey {
  readonly groupType: GroupType;
  readonly key: string;
}

/** In a directory many groups may have one name, and elsewhere there is nothing else. */
export const keyOfGroup = ({
  groupType,
  name,
  dn,
}: Pick<UserGroup, 'groupType' | 'name' | 'dn'>): UserGroupKey => ({ groupType, key: dn ?? name });

const at = {
  groupType: z.enum(groupTypes).describe('Where the group comes from'),
  key: z.string().describe('The distinguished name of a group of a directory, the name of any other group'),
  groupId: z.int().positive().describe('The number of the group that has it'),
};

export const userGroupKeyEvent = z.discriminatedUnion('type', [
  eventOf(
    'UserGroupKeyReserved',
    'A name belongs to one group of users from now on, until that is deleted or called otherwise.',
    at,
  ),
  eventOf('UserGroupKeyReleased', 'A name is free for another group of users.', at),
]);
export type UserGroupKeyEvent = z.infer<typeof userGroupKeyEvent>;
