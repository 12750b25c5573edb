import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

export const userStream = (username: string): string => `user/${username}`;

const who = {
  username: z.string().describe('The name to log in with; it never changes'),
  userId: z.int().positive().describe('The number that the management API shows'),
};
const administrator = z.boolean().describe('Whether the user administers the whole registry');
const passwordHash = z
  .string()
  .describe('argon2id in PHC string format; the password itself is never recorded');
const person = {
  emailKey: z.string().nullable().describe('The keyed hash of the e-mail address, null without one'),
  profile: z
    .string()
    .nullable()
    .describe(
      'E-mail address, real name and comment, encrypted under a key of this user that can be destroyed',
    ),
};

export const userEvent = z.discriminatedUnion('type', [
  eventOf('UserCreated', 'A local user can log in from now on.', {
    ...who,
    administrator,
    passwordHash,
    ...person,
  }),
  eventOf('UserProfileChanged', 'A user has another e-mail address, real name or comment.', {
    ...who,
    ...person,
  }),
  eventOf('UserPasswordChanged', 'A user logs in with another password from now on.', {
    ...who,
    passwordHash,
  }),
  eventOf('UserAdministratorChanged', 'A user has become, or is no longer, an administrator.', {
    ...who,
    administrator,
  }),
  eventOf('UserDeleted', 'A user is gone; the name is free, and whoever takes it gets another number.', who),
]);
export type UserEvent = z.infer<typeof userEvent>;

/** Version 1 was from before users had a profile. */
export const userCreatedUpcasters = [
  (data: Record<string, unknown>) => ({ ...data, emailKey: null, profile: null }),
];
