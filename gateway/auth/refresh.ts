import { createHash, randomBytes } from 'node:crypto';
import type { RefreshTokens } from '../../commands/refresh-tokens.ts';
import type { Metadata } from '../../domain/event.ts';
import type { LoggedIn } from './login.ts';
import type { FindSubject } from './subject.ts';

export interface RefreshPorts {
  readonly refreshTokens: RefreshTokens;
  readonly findSubject: FindSubject;
  readonly service: string;
  readonly refreshLifetimeMs: number;
}

/**
 * Refresh tokens: opaque, for one subject and one service, and sent to the token service alone. They are not bound to
 * the client's name, which is no secret, and which differs between the parts of docker that share one.
 */
export interface Refresh {
  /** Undefined for an access token, which is all that a refresh token would be, and ends everywhere at once. */
  issue(loggedIn: LoggedIn, metadata: Metadata): Promise<string | undefined>;
  /** Undefined for one that was revoked, has expired, or whose account has changed. */
  use(token: string): Promise<LoggedIn | undefined>;
  revoke(token: string, metadata: Metadata): Promise<void>;
}

/** 32 random bytes, base64url. */
const form = /^[A-Za-z0-9_-]{43}$/;

const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64url');

export const refreshWith = ({
  refreshTokens,
  findSubject,
  service,
  refreshLifetimeMs,
}: RefreshPorts): Refresh => ({
  async issue({ subject }, metadata) {
    if (subject.kind === 'access-token') return undefined;
    const token = randomBytes(32).toString('base64url');
    const expiresAt = new Date(Date.now() + refreshLifetimeMs).toISOString();
    await refreshTokens.issue({ tokenHash: hashOf(token), subject, service, expiresAt }, metadata);
    return token;
  },

  async use(token) {
    const found = form.test(token) ? await refreshTokens.find(hashOf(token), new Date()) : undefined;
    return found?.service === service ? findSubject(found.subject) : undefined;
  },

  async revoke(token, metadata) {
    if (form.test(token)) await refreshTokens.revoke(hashOf(token), metadata);
  },
});
