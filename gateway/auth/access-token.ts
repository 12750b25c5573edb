import { timingSafeEqual } from 'node:crypto';
import type { Principal, TokenPermission } from '../../domain/access/principal.ts';
import { readAccessToken } from '../../domain/access-token/secret.ts';
import type { Metadata } from '../../domain/event.ts';
import { recordedName } from '../../domain/login/events.ts';
import type { LoggedIn, Login, LoginPorts, LoginUser } from './login.ts';

export interface LoginAccessToken {
  readonly tokenId: number;
  readonly userId: number;
  readonly username: string;
  /** Null for everything that the user may. */
  readonly permissions: readonly TokenPermission[] | null;
  /** Null for never. */
  readonly expiresAt: Date | null;
  readonly secretHash: string;
}

export interface AccessTokenPorts extends Pick<LoginPorts, 'findLoginUser' | 'throttle' | 'recordLogin'> {
  findAccessToken(tokenId: number): Promise<LoginAccessToken | undefined>;
  /** The keyed hash under which a token is stored. */
  hashAccessToken(token: string): string;
}

export interface ShownAccessToken {
  readonly token: string;
  /** The user name, or the e-mail address, that it was shown with; undefined where it was shown alone. */
  readonly username?: string;
}

/**
 * Undefined for a token that is wrong, void, or not of this user.
 * @throws RequestRefused 429 for who has failed too often.
 */
export type LoginByAccessToken = (
  shown: ShownAccessToken,
  metadata: Metadata,
) => Promise<LoggedIn | undefined>;

/** Whether `text` was written as an access token, so that it is nobody's password. */
export const isAccessToken = (text: string): boolean => readAccessToken(text) !== undefined;

/**
 * Logs in by access tokens. They are looked up by their number and compared by a fast keyed hash at each request: 256
 * random bits cannot be guessed, so that nothing is won by a slow one.
 */
export function accessTokenLogin(ports: AccessTokenPorts): LoginByAccessToken {
  const { findAccessToken, findLoginUser, hashAccessToken, throttle } = ports;

  async function loginBy({ token, username }: ShownAccessToken): Promise<LoggedIn | undefined> {
    const tokenId = readAccessToken(token);
    const found = tokenId === undefined ? undefined : await findAccessToken(tokenId);
    if (found === undefined || !isSame(found.secretHash, hashAccessToken(token))) return undefined;
    // No name has a NUL, and no query takes one.
    if (username?.includes('\0')) return undefined;
    return holderOf(found, await findLoginUser(username ?? found.username));
  }

  return async (shown, metadata) => {
    const loggedIn = await loginBy(shown);
    if (loggedIn !== undefined) return loggedIn;
    // Under the token's own name: what is void in some script must not keep its user from logging in himself.
    const { clientIp = '' } = metadata;
    const key = `access-token ${readAccessToken(shown.token) ?? 0}`;
    await throttle.attempt(key, clientIp, async () => false);
    const data = { kind: 'user', username: recordedName(shown.username ?? '') } as const;
    ports.recordLogin({ type: 'LoginFailed', data }, metadata);
    await throttle.pauseAfterFailure(key, clientIp);
    return undefined;
  };
}

/** Logs in by passwords, and by access tokens in their place. */
export const withAccessTokens =
  (login: Login, loginByAccessToken: LoginByAccessToken): Login =>
  ({ username, password }, metadata) =>
    isAccessToken(password)
      ? loginByAccessToken({ token: password, username }, metadata)
      : login({ username, password }, metadata);

/** Whom the token speaks for now; undefined where it has expired, and where `user` is another or gone. */
export function holderOf(token: LoginAccessToken, user: LoginUser | undefined): LoggedIn | undefined {
  const { tokenId, userId, permissions, expiresAt } = token;
  if (expiresAt !== null && expiresAt.getTime() <= Date.now()) return undefined;
  // The number as well: the name may have been given again to somebody else.
  if (user?.userId !== userId) return undefined;
  const { username, administrator } = user;
  const who = { username, userId, administrator };
  const principal: Principal =
    permissions === null
      ? { kind: 'user', ...who, accessToken: tokenId }
      : { kind: 'access-token', ...who, tokenId, permissions };
  return { principal, subject: { kind: 'access-token', id: tokenId, name: username } };
}

function isSame(stored: string, shown: string): boolean {
  const [one, other] = [Buffer.from(stored), Buffer.from(shown)];
  return one.length === other.length && timingSafeEqual(one, other);
}
