import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

/** One stream for all of them: whoever adds a key has seen every other one. */
export const tokenKeysStream = 'system/token-keys';

const time = z.iso.datetime();

/** The public half of an ES256 key (RFC 7517, RFC 7518 section 6.2). */
export const publicKey = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string(),
  y: z.string(),
});
export type PublicKey = z.infer<typeof publicKey>;

export const tokenKeyEvent = z.discriminatedUnion('type', [
  eventOf('SigningKeyCreated', 'Registry tokens are signed with this key from a time on.', {
    kid: z.string().describe('The name of the key in the header of a token: its thumbprint (RFC 7638)'),
    algorithm: z.literal('ES256').describe('The only algorithm that the key is used with (RFC 7518)'),
    publicKey: publicKey.describe('The public half, as a JWK'),
    sealedPrivateKey: z
      .string()
      .describe('The private half, as a JWK, encrypted under the secret key of the installation'),
    signsFrom: time.describe('When every process knows the key, so that it may sign'),
  }),
  eventOf('SigningKeyRetired', 'The key signs no more, and soon verifies no more.', {
    kid: z.string().describe('The key'),
    verifiesUntil: time.describe('When the last token that it has signed has expired'),
  }),
]);
export type TokenKeyEvent = z.infer<typeof tokenKeyEvent>;
export type SigningKey = Extract<TokenKeyEvent, { type: 'SigningKeyCreated' }>['data'];
