import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

/** Numbers of users are never given again. */
export const preferencesStream = (userId: number): string => `preferences/${userId}`;

export const preferencesEvent = z.discriminatedUnion('type', [
  eventOf('PreferencesChanged', 'A user wants the portal to look otherwise from now on.', {
    userId: z.int().positive().describe('The number of the user'),
    fingerprint: z
      .string()
      .describe(
        'A keyed hash of the preferences, base64url: tells whether they are the same without showing them',
      ),
    sealed: z
      .string()
      .describe('The preferences as JSON, encrypted under a key of this user that can be destroyed'),
  }),
]);
export type PreferencesEvent = z.infer<typeof preferencesEvent>;
