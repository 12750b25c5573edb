import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

/** One stream a day: nothing is decided on it. */
export const credentialUsesStream = (at: Date): string => `credential-uses/${at.toISOString().slice(0, 10)}`;

/** Credentials that are used without a person, so that somebody has to see which are forgotten. */
export const credentialKind = z.enum(['robot', 'access-token']);
export type CredentialKind = z.infer<typeof credentialKind>;

/**
 * From where stands in the metadata. They guard nothing, and are recorded in the background, of one credential not more
 * often than every few minutes.
 */
export const credentialUseEvent = z.discriminatedUnion('type', [
  eventOf('CredentialUsed', 'A robot account or an access token was in use at this time.', {
    kind: credentialKind.describe('What was used'),
    id: z.int().positive().describe('The number of the robot account or of the access token'),
    usedAt: z.iso.datetime().describe('When; it was recorded a moment later'),
  }),
]);
export type CredentialUseEvent = z.infer<typeof credentialUseEvent>;
