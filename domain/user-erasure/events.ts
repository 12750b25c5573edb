import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

/** By number, since the name is no more. */
export const userErasureStream = (userId: number): string => `user-erasure/${userId}`;

export const userErasureEvent = z.discriminatedUnion('type', [
  eventOf(
    'UserErased',
    'The name of a user who is gone is to be found nowhere any more: in its place stands a word with the number.',
    { userId: z.int().positive().describe('The number that the user had') },
  ),
]);
export type UserErasureEvent = z.infer<typeof userErasureEvent>;
