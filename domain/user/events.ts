import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

export const userStream = (username: string): string => `user/${username}`;

export const userEvent = z.discriminatedUnion('type', [
  eventOf('UserCreated', 'A local user can log in from now on.', {
    username: z.string().describe('The name to log in with; it never changes'),
    userId: z.int().positive().describe('The number that the management API shows'),
    administrator: z.boolean().describe('Whether the user administers the whole registry'),
    passwordHash: z.string().describe('argon2id in PHC string format; the password itself is never recorded'),
  }),
]);
export type UserEvent = z.infer<typeof userEvent>;
