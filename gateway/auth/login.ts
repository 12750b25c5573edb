import { createHash, createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { actorOf, type Principal, type RobotPermission } from '../../domain/access/principal.ts';
import type { AccountSubject, TokenSubject } from '../../domain/access/subject.ts';
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
  /** The secret from before, good as well until an instant (ISO 8601) that may be over. */
  readonly previous: {
    readonly secretHash: string;
    readonly secretVersion: number;
    readonly validUntil: string;
  } | null;
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
  robotPrefix(): Promise<string>;
  /** Returns at once. */
  recordLogin(event: LoginEvent, metadata: Metadata): void;
  /** Whether each login is one of its own, which is checked and recorded although the same password was right just now. */
  readonly each?: boolean;
}

/** Who has shown that he is the one, and what a token of the registry says of him. */
export interface LoggedIn {
  readonly principal: Principal;
  readonly subject: TokenSubject;
}

/** One password or secret by which an account is known, as a stored hash. */
interface Known extends LoggedIn {
  readonly subject: AccountSubject;
  readonly hash: string;
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
  const { findLoginUser, findRobot, throttle } = ports;
  const check = rememberingCheck(ports.passwordMatches);

  /** All passwords by which the account of this name is known now; none for an account that may not log in. */
  async function knownOf(name: string, robotPrefix: string): Promise<readonly Known[]> {
    // No name has a NUL, and no query takes one.
    if (name.includes('\0')) return [];
    const robot = name.startsWith(robotPrefix) ? await findRobot(name.slice(robotPrefix.length)) : undefined;
    if (robot !== undefined) return isUsable(robot) ? secretsOf(robot) : [];
    // Also where no robot has the name: with a prefix like `ci-` there are users who are called so.
    const user = await findLoginUser(name);
    return user === undefined ? [] : [{ ...asUser(user), hash: user.passwordHash }];
  }

  return async (credentials, metadata) => {
    const { username } = credentials;
    const robotPrefix = await ports.robotPrefix();
    const known = await knownOf(username, robotPrefix);
    const remembered = known.find(({ hash }) => !ports.each && check.isRemembered(hash, credentials));
    if (remembered !== undefined) return loggedInAs(remembered);

    const { clientIp = '' } = metadata;
    const key = throttleKeyOf(username);
    const hashes = known.length === 0 ? [nobodysHash] : known.map(({ hash }) => hash);
    const right = await check.find(hashes, credentials, clientIp, (verify) =>
      throttle.attempt(key, clientIp, verify),
    );
    const [{ subject } = {}] = known;
    const kind = subject?.kind ?? (username.startsWith(robotPrefix) ? 'robot' : 'user');
    const data = { kind, username: subject?.name ?? recordedName(username) } as const;
    const shown = known.find(({ hash }) => hash === right);
    if (shown === undefined) {
      ports.recordLogin({ type: 'LoginFailed', data }, metadata);
      await throttle.pauseAfterFailure(key, clientIp);
      return undefined;
    }
    ports.recordLogin({ type: 'LoginSucceeded', data }, { ...metadata, actor: actorOf(shown.principal) });
    return loggedInAs(shown);
  };
}

const loggedInAs = ({ principal, subject }: LoggedIn): LoggedIn => ({ principal, subject });

/** Under what the failures on a name are counted. */
export const throttleKeyOf = (name: string): string => createHash('sha256').update(name).digest('base64');

/** Checks passwords, and remembers those that were right. */
function rememberingCheck(passwordMatches: LoginPorts['passwordMatches']) {
  const secret = randomBytes(32);
  /** By a keyed hash of name, password and stored hash: a changed password is another key. */
  const verified = new LRUCache<string, true>({ max: maxRemembered });
  const attempts = shared<string | undefined>();
  const checks = shared<boolean>();
  const keyOf = (hash: string, { username, password }: Credentials): string =>
    createHmac('sha256', secret)
      .update(JSON.stringify([username, password, hash]))
      .digest('base64');

  async function matches(hash: string, credentials: Credentials): Promise<boolean> {
    const key = keyOf(hash, credentials);
    return checks.once(key, async () => {
      if (checks.size() >= maxChecks) throw tooMany('too many logins at once', 1);
      const matches = await passwordMatches(hash, credentials.password);
      if (matches) verified.set(key, true);
      return matches;
    });
  }

  return {
    isRemembered: (hash: string, credentials: Credentials): boolean =>
      verified.get(keyOf(hash, credentials)) === true,

    /**
     * The first of `hashes` that is the password's. Of all who come from one address with the same at the same time, as
     * the jobs of a pipeline do, one attempts.
     */
    find(
      hashes: readonly string[],
      credentials: Credentials,
      address: string,
      attempt: (verify: () => Promise<boolean>) => Promise<boolean>,
    ): Promise<string | undefined> {
      const key = `${keyOf(hashes.join('\0'), credentials)}\0${address}`;
      return attempts.once(key, async () => {
        let right: string | undefined;
        await attempt(async () => {
          // At once, so that an account with two passwords does not answer much later than others.
          const all = await Promise.all(hashes.map((hash) => matches(hash, credentials)));
          right = hashes[all.indexOf(true)];
          return right !== undefined;
        });
        return right;
      });
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

export const asUser = ({ username, userId, administrator, credentialVersion }: LoginUser) =>
  ({
    principal: { kind: 'user', username, userId, administrator },
    subject: { kind: 'user', id: userId, name: username, credentialVersion },
  }) satisfies LoggedIn;

/** By each of the secrets that are good now, the newest first. */
export function secretsOf({
  name,
  robotId,
  permissions,
  secretHash,
  secretVersion,
  previous,
}: LoginRobot): readonly Known[] {
  const by = (hash: string, credentialVersion: number): Known => ({
    principal: { kind: 'robot', name, robotId, permissions },
    subject: { kind: 'robot', id: robotId, name, credentialVersion },
    hash,
  });
  const newest = by(secretHash, secretVersion);
  // By the clock at each use: nothing happens in the log when the time is over.
  const isGood = previous !== null && Date.parse(previous.validUntil) > Date.now();
  return isGood ? [newest, by(previous.secretHash, previous.secretVersion)] : [newest];
}
