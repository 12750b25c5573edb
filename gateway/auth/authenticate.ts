import { createHmac, randomBytes } from 'node:crypto';
import type { Principal } from '../../domain/access/principal.ts';
import { RequestRefused } from '../errors.ts';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface Account {
  readonly username: string;
  readonly userId: number;
  readonly administrator: boolean;
  readonly passwordHash: string;
}

export interface AuthenticationPorts {
  findAccount(username: string): Promise<Account | undefined>;
  passwordMatches(passwordHash: string, password: string): Promise<boolean>;
}

/** Who a request comes from. @throws RequestRefused 401 for credentials that are malformed or wrong. */
export type Authenticate = (authorization: string | undefined) => Promise<Principal>;

/** Verified credentials that are remembered; each costs one hash of argon2id to verify again. */
const maxRemembered = 1000;

/** What an unknown user's password is checked against, so that it takes as long as a known user's: the hash
 * of a password that was thrown away. */
const nobodysHash =
  '$argon2id$v=19$m=19456,t=2,p=1$aK+l78EE8/qXsb70XWMDRQ$iCrYxsOsTIKlvNbZPCy3EB7BRF/P59ABgnrEMLZjL5Q';

export const challenge = 'Basic realm="shiplog", charset="UTF-8"';

export function authenticator({ findAccount, passwordMatches }: AuthenticationPorts): Authenticate {
  const secret = randomBytes(32);
  /** From a keyed hash of user, password and stored hash: a changed password is another key. */
  const verified = new Map<string, Promise<boolean>>();

  function verify(passwordHash: string, { username, password }: Credentials): Promise<boolean> {
    const key = createHmac('sha256', secret)
      .update(JSON.stringify([username, password, passwordHash]))
      .digest('base64');
    const remembered = verified.get(key);
    if (remembered !== undefined) return remembered;
    const verdict = passwordMatches(passwordHash, password);
    verified.set(key, verdict);
    // A wrong password is forgotten as soon as those who sent it at the same time have their answer.
    const forget = (): boolean => verified.delete(key);
    verdict.then((matches) => matches || forget(), forget);
    const [oldest] = verified.keys();
    if (verified.size > maxRemembered && oldest !== undefined) verified.delete(oldest);
    return verdict;
  }

  return async (authorization) => {
    const credentials = readBasic(authorization);
    if (credentials === undefined) return { kind: 'anonymous' };
    const account = await findAccount(credentials.username);
    const matches = await verify(account?.passwordHash ?? nobodysHash, credentials);
    if (account === undefined || !matches) throw unauthorized('wrong user name or password');
    const { username, userId, administrator } = account;
    return { kind: 'user', username, userId, administrator };
  };
}

/**
 * RFC 7617. No header and empty credentials (as some clients send for "none") are anonymous.
 * @throws RequestRefused 401 for another scheme or a malformed value.
 */
function readBasic(authorization: string | undefined): Credentials | undefined {
  if (authorization === undefined) return undefined;
  const [, encoded] = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(authorization) ?? [];
  if (encoded === undefined) throw unauthorized('the Authorization header is not Basic');
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  if (colon === -1 || text.includes('\0')) throw unauthorized('the Basic credentials are malformed');
  if (text === ':') return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

export const unauthorized = (message: string): RequestRefused =>
  new RequestRefused({
    status: 401,
    code: 'UNAUTHORIZED',
    message,
    headers: { 'www-authenticate': challenge },
  });
