import { z } from 'zod';
import { roles } from '../access/role.ts';
import { eventOf } from '../event-schema.ts';

/** Who is a member: a user or a group of users, by its number. */
export interface Entity {
  readonly entityType: 'user' | 'group';
  readonly entityId: number;
}

/** By number and not by name, so that who takes a name that became free inherits nothing. */
export const memberStream = (projectId: number, { entityType, entityId }: Entity): string =>
  `member/${projectId}/${entityType === 'user' ? '' : 'group-'}${entityId}`;

const which = {
  memberId: z.int().positive().describe('The number that the management API shows'),
  projectId: z.int().positive().describe('The number of the project'),
  project: z.string().describe('The name of the project'),
  entityType: z.enum(['user', 'group']).describe('Whether the member is a user or a group of users'),
  entityId: z.int().positive().describe('The number of the user or of the group'),
  entityName: z.string().describe('The name of the user or of the group when it became a member'),
};
const role = z.enum(roles).describe('What the member may do in the project');

export const memberEvent = z.discriminatedUnion('type', [
  eventOf('MemberAdded', 'A user or a group has a role in a project from now on.', { ...which, role }),
  eventOf('MemberRoleChanged', 'A member of a project has another role.', { ...which, role }),
  eventOf('MemberRemoved', 'A user or a group has no role in a project any more.', which),
]);
export type MemberEvent = z.infer<typeof memberEvent>;

/** Version 1 was from before groups could be members. */
export const memberUpcasters = [
  ({ userId, username, ...data }: Record<string, unknown>) => ({
    ...data,
    entityType: 'user',
    entityId: userId,
    entityName: username,
  }),
];
