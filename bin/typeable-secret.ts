import { randomBytes } from 'node:crypto';

/**
 * `bytes` random bytes as base64url. Never with a hyphen first: after `-p`, some clients take such a password for another
 * option, and others write it anew (cosign makes `--x` of `-x`).
 */
export function typeableSecret(bytes: number): string {
  for (;;) {
    const secret = randomBytes(bytes).toString('base64url');
    if (!secret.startsWith('-')) return secret;
  }
}
