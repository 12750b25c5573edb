import { z } from 'zod';

/**
 * Whom a token was given to. `credentialVersion` counts the changes of the password or secret: a token of an earlier
 * version is void.
 */
export const tokenSubject = z.object({
  kind: z.enum(['user', 'robot']),
  id: z.int().positive(),
  name: z.string().min(1),
  credentialVersion: z.int().nonnegative(),
});
export type TokenSubject = z.infer<typeof tokenSubject>;
