import { z } from 'zod';

/**
 * An account with a password or a secret. `credentialVersion` counts their changes: a token of an earlier version is
 * void.
 */
export const accountSubject = z.object({
  kind: z.enum(['user', 'robot']),
  id: z.int().positive(),
  name: z.string().min(1),
  credentialVersion: z.int().nonnegative(),
});
export type AccountSubject = z.infer<typeof accountSubject>;

/** An access token, of the user of this name. It never changes; what was got by it ends with it. */
const accessTokenSubject = z.object({
  kind: z.literal('access-token'),
  id: z.int().positive(),
  name: z.string().min(1),
});

/** Whom a token of the registry was given to. */
export const tokenSubject = z.discriminatedUnion('kind', [accountSubject, accessTokenSubject]);
export type TokenSubject = z.infer<typeof tokenSubject>;
