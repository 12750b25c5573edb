import { badRequest } from './faults.ts';

/** What the hash takes at most; more characters than fit would be a password that never matches. */
const maxBytes = 256;

/** Harbor's rule for passwords of users and secrets of robots. @throws RequestRefused 400 */
export function requireStrong(secret: string): void {
  const strong =
    secret.length >= 8 &&
    secret.length <= 128 &&
    Buffer.byteLength(secret) <= maxBytes &&
    !secret.includes('\0') &&
    [/[a-z]/, /[A-Z]/, /\d/].every((kind) => kind.test(secret));
  if (strong) return;
  throw badRequest(
    'the password or secret must be 8-128, inclusively, characters long with at least 1 uppercase letter, 1 lowercase letter and 1 number',
  );
}
