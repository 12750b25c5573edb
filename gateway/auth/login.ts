import { createHash, createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Principal, RobotPermission } from '../../domain/access/principal.ts';
import type { TokenSubject } from '../../domain/access/subject.ts';
import type { Metadata } from '../../domain/event.ts';
import { type LoginEvent, recordedName } from '../../domain/login/events.ts';
import type { Credentials } from './basic.ts';
import { type LoginThrottle, tooMany } from './login-throttle.ts';

export interface LoginUser {
  readonly username: string;
  readonly userId: number;
  readonly administrator: boolean;
  readonly passwordHash: string;
  /** Changes with the password. */
  readonly credentialVersion: number;
}

export interface LoginRobot {
  /** As it is stored, without the prefix. */
  readonly name: string;
  readonly robotId: number;
  readonly secretHash: string;
  /** Changes with the secret. */
  readonly secretVersion: number;
  readonly disabled: boolean;
  /** Null for never. */
  readonly expiresAt: Date | null;
  readonly permissions: readonly RobotPermission[];
}

export interface AccountPorts {
  /** By user name or e-mail address. */
  findLoginUser(name: string): Promise<LoginUser | undefined>;
  findRobot(storedName: string): Promise<LoginRobot | undefined>;
}

export interface LoginPorts extends AccountPorts {
  passwordMatches(hash: string, password: string): Promise<boolean>;
  readonly throttle: LoginThrottle;
  /** What the name of every robot begins with: `robot$`. */
  readonly robotPrefix: string;
  /** Returns at once. */
  recordLogin(event: LoginEvent, metadata: Metadata): void;
  /** Whether each login is one of its own, which is checked and recorded although the same password was right just now. */
  readonly each?: boolean;
}

/** Who has shown the right password, and what a token says of him. */
export interface LoggedIn {
  readonly principal: Principal;
  readonly subject: TokenSubject;
}

/**
 * Undefined for a wrong name or password, alike and after the same time.
 * @param metadata says from where; its actor is not known yet.
 * @throws RequestRefused 429 for who has failed too often.
 */
export type Login = (credentials: Credentials, metadata: Metadata) => Promise<LoggedIn | undefined>;

/** Passwords that are checked at a time or wait for it; each takes some 20 ms of a processor. */
const maxChecks = 1000;
/** Verified credentials that are remembered; each costs one hash of argon2id to verify again. */
const maxRemembered = 1000;

/** What an unknown name's password is checked against, so that it takes as long as a known one's: the hash of a
 * password that was thrown away. */
const nobodysHash =
  '$argon2id$v=19$m=19456,t=2,p=1$aK+l78EE8/qXsb70XWMDRQ$iCrYxsOsTIKlvNbZPCy3EB7BRF/P59ABgnrEMLZjL5Q';

export function loginWith(ports: LoginPorts): Login {
  const { findLoginUser, findRobot, throttle, robotPrefix } = ports;
  const check = rememberingCheck(ports.passwordMatches);

  async function findAccount(name: string): Promise<(LoggedIn & { readonly hash: string }) | undefined> {
    // No name has a NUL, and no query takes one.
    if (name.includes('\0')) return undefined;
    const robot = name.startsWith(robotPrefix) ? await findRobot(name.slice(robotPrefix.length)) : undefined;
    if (robot !== undefined)
      return isUsable(robot) ? { ...asRobot(robot), hash: robot.secretHash } : undefined;
    // Also where no robot has the name: with a prefix like `ci-` there are users who are called so.
    const user = await findLoginUser(name);
    return user && { ...asUser(user), hash: user.passwordHash };
  }

  return async (credentials, metadata) => {
    const { username } = credentials;
    const account = await findAccount(username);
    const hash = account?.hash ?? nobodysHash;
    const { principal, subject } = account ?? {};
    if (principal !== undefined && subject !== undefined) {
      const isRepeated = ports.each !== true && check.isRemembered(hash, credentials);
      if (isRepeated) return { principal, subject };
    }

    const { clientIp = '' } = metadata;
    const key = throttleKeyOf(username);
    const matches = await check.matches(hash, credentials, clientIp, (verify) =>
      throttle.attempt(key, clientIp, verify),
    );
    const kind = subject?.kind ?? (username.startsWith(robotPrefix) ? 'robot' : 'user');
    const data = { kind, username: subject?.name ?? recordedName(username) } as const;
    if (principal === undefined || subject === undefined || !matches) {
      ports.recordLogin({ type: 'LoginFailed', data }, metadata);
      await throttle.pauseAfterFailure(key, clientIp);
      return undefined;
    }
    const actor = `${subject.kind}:${subject.name}`;
    ports.recordLogin({ type: 'LoginSucceeded', data }, { ...metadata, actor });
    return { principal, subject };
  };
}

/** Under what the failures on a name are counted. */
const throttleKeyOf = (name: string): string => createHash('sha256').update(name).digest('base64');

/** Whether `password` is that of who has logged in already and shows it once more from `address`. @throws RequestRefused 429 */
export type ConfirmPassword = (
  user: { readonly username: string; readonly passwordHash: string },
  password: string,
  address: string,
) => Promise<boolean>;

/** Who has found an open session guesses the password no faster than anybody else. */
export const passwordConfirmer =
  ({ throttle, passwordMatches }: Pick<LoginPorts, 'throttle' | 'passwordMatches'>): ConfirmPassword =>
  async ({ username, passwordHash }, password, address) => {
    const key = throttleKeyOf(username);
    const matches = await throttle.attempt(key, address, () => passwordMatches(passwordHash, password));
    if (!matches) await throttle.pauseAfterFailure(key, address);
    return matches;
  };

/** Checks passwords, and remembers those that were right. */
function rememberingCheck(passwordMatches: LoginPorts['passwordMatches']) {
  const secret = randomBytes(32);
  /** By a keyed hash of name, password and stored hash: a changed password is another key. */
  const verified = new LRUCache<string, true>({ max: maxRemembered });
  const attempts = shared<boolean>();
  const checks = shared<boolean>();
  const keyOf = (hash: string, { username, password }: Credentials): string =>
    createHmac('sha256', secret)
      .update(JSON.stringify([username, password, hash]))
      .digest('base64');

  return {
    isRemembered: (hash: string, credentials: Credentials): boolean =>
      verified.get(keyOf(hash, credentials)) === true,

    /** Of all who come from one address with the same at the same time, as the jobs of a pipeline do, one attempts. */
    matches(
      hash: string,
      credentials: Credentials,
      address: string,
      attempt: (verify: () => Promise<boolean>) => Promise<boolean>,
    ): Promise<boolean> {
      const key = keyOf(hash, credentials);
      async function verify(): Promise<boolean> {
        if (checks.size() >= maxChecks) throw tooMany('too many logins at once', 1);
        const matches = await passwordMatches(hash, credentials.password);
        if (matches) verified.set(key, true);
        return matches;
      }
      return attempts.once(`${key}\0${address}`, () => attempt(() => checks.once(key, verify)));
    },
  };
}

/** Work that is done once for all who ask for it under the same key while it is under way. */
function shared<Result>() {
  const running = new Map<string, Promise<Result>>();
  return {
    size: () => running.size,
    once(key: string, work: () => Promise<Result>): Promise<Result> {
      const others = running.get(key);
      if (others !== undefined) return others;
      const own = work().finally(() => running.delete(key));
      running.set(key, own);
      return own;
    },
  };
}

export const isUsable = ({ disabled, expiresAt }: LoginRobot): boolean =>
  !disabled && (expiresAt === null || expiresAt.getTime() > Date.now());

export const asUser = ({ username, userId, administrator, credentialVersion }: LoginUser): LoggedIn => ({
  principal: { kind: 'user', username, userId, administrator },
  subject: { kind: 'user', id: userId, name: username, credentialVersion },
});

export const asRobot = ({ name, robotId, permissions, secretVersion }: LoginRobot): LoggedIn => ({
  principal: { kind: 'robot', name, robotId, permissions },
  subject: { kind: 'robot', id: robotId, name, credentialVersion: secretVersion },
});
