import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

export const userGroupStream = (groupId: number): string => `user-group/${groupId}`;

/** Where a group comes from: an LDAP directory, a proxy that authenticates, a provider of OpenID Connect. */
export const groupTypes = ['ldap', 'http', 'oidc'] as const;
export type GroupType = (typeof groupTypes)[number];

const which = {
  groupId: z.int().positive().describe('The number that the management API shows'),
  groupType: z.enum(groupTypes).describe('Where the group comes from'),
  name: z.string().describe('The name of the group'),
};

export const userGroupEvent = z.discriminatedUnion('type', [
  eventOf('UserGroupCreated', 'A group of users is known from now on, and can be a member of projects.', {
    ...which,
    dn: z.string().nullable().describe('The distinguished name in the directory, null elsewhere'),
  }),
  eventOf('UserGroupRenamed', 'A group of users has another name.', {
    ...which,
    from: z.string().describe('The name before'),
  }),
  eventOf(
    'UserGroupDeleted',
    'A group of users is not known any more, and is a member of no project; what it was called is free.',
    which,
  ),
]);
export type UserGroupEvent = z.infer<typeof userGroupEvent>;
