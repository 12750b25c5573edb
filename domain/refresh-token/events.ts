import { z } from 'zod';
import { accountSubject } from '../access/subject.ts';
import { eventOf } from '../event-schema.ts';

/** A refresh token is found by the hash of its text, which is all that is kept of it. */
export const refreshTokenStream = (tokenHash: string): string => `refresh-token/${tokenHash}`;

const tokenHash = z.string().describe('SHA-256 of the token, base64url; the token itself is never recorded');

export const refreshTokenEvent = z.discriminatedUnion('type', [
  eventOf('RefreshTokenIssued', 'A client may ask for tokens without the password from now on.', {
    tokenHash,
    subject: accountSubject.describe(
      'Whom it speaks for, and the version of the credentials with which it becomes void',
    ),
    service: z.string().describe('The service whose tokens it is good for'),
    expiresAt: z.iso.datetime().describe('When it becomes void by itself'),
  }),
  eventOf('RefreshTokenRevoked', 'The token is void.', { tokenHash }),
]);
export type RefreshTokenEvent = z.infer<typeof refreshTokenEvent>;
export type RefreshToken = Extract<RefreshTokenEvent, { type: 'RefreshTokenIssued' }>['data'];
