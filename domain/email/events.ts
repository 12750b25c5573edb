import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

/** @param key the keyed hash of the address: the address itself stands in no event and in no stream's name. */
export const emailStream = (key: string): string => `email/${key}`;

const at = {
  emailKey: z.string().describe('The keyed hash of the e-mail address'),
  userId: z.int().positive().describe('The user who has it'),
  username: z.string().describe('The name of that user'),
};

export const emailEvent = z.discriminatedUnion('type', [
  eventOf('EmailReserved', 'An e-mail address belongs to one user from now on.', at),
  eventOf('EmailReleased', 'An e-mail address is free for another user.', at),
]);
export type EmailEvent = z.infer<typeof emailEvent>;
