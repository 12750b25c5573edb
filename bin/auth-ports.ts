import { setTimeout as sleep } from 'node:timers/promises';
import { emailKeyOf } from '../commands/email.ts';
import type { Recorder } from '../commands/record.ts';
import type { BackgroundRecorder } from '../commands/record-in-background.ts';
import { refreshTokens } from '../commands/refresh-tokens.ts';
import {
  longestTokenMinutes,
  type Configuration as RunTimeConfiguration,
} from '../domain/configuration/items.ts';
import { credentialUsesStream } from '../domain/credential-use/events.ts';
import { loginsStream } from '../domain/login/events.ts';
import { type AccessTokenPorts, accessTokenLogin, withAccessTokens } from '../gateway/auth/access-token.ts';
import { authenticator } from '../gateway/auth/authenticate.ts';
import { type ChallengeSettings, challenger } from '../gateway/auth/challenge.ts';
import { passwordConfirmer } from '../gateway/auth/confirm-password.ts';
import { noting, useNoter } from '../gateway/auth/credential-uses.ts';
import type { CsrfPorts } from '../gateway/auth/csrf.ts';
import { type KeyRingPorts, keyRing } from '../gateway/auth/key-ring.ts';
import { type LoginPorts, loginWith } from '../gateway/auth/login.ts';
import { loginThrottle } from '../gateway/auth/login-throttle.ts';
import { refreshWith } from '../gateway/auth/refresh.ts';
import { sessionsWith } from '../gateway/auth/sessions.ts';
import { type SubjectPorts, subjectFinder } from '../gateway/auth/subject.ts';
import { tokenIssuer, tokenVerifier } from '../gateway/auth/tokens.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { passwordMatches } from '../infra/password-hash/argon2.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import type { SessionStore } from '../infra/session-store/port.ts';

const dayMs = 24 * 60 * 60_000;

export interface AuthOptions {
  readonly log: EventLog;
  readonly record: Recorder;
  readonly background: BackgroundRecorder;
  readonly secrets: SecretBox;
  readonly sessionStore: SessionStore;
  readonly challenge: ChallengeSettings;
  readonly refreshLifetimeMs: number;
  readonly anonymousWrite: readonly string[];
}

/** What the configuration says of who may log in, and how. */
export const authSettings = ({
  token,
  anonymous_write,
  external_url,
  hostname,
  http,
}: Configuration): Omit<AuthOptions, 'log' | 'record' | 'background' | 'secrets' | 'sessionStore'> => ({
  challenge: { service: token.service, externalUrl: external_url, hostname: `${hostname}:${http.port}` },
  refreshLifetimeMs: token.refresh_days * dayMs,
  anonymousWrite: anonymous_write,
});

/**
 * All that tells who a request comes from.
 * @param inViews finds users by their names and by the keyed hashes of their e-mail addresses.
 * @param configuration what the settings are now.
 */
export function authPorts(
  options: AuthOptions,
  inViews: SubjectPorts & Pick<KeyRingPorts, 'listTokenKeys'>,
  configuration: () => Promise<RunTimeConfiguration>,
) {
  const { log, record, background, secrets, refreshLifetimeMs } = options;
  const { service } = options.challenge;
  const views = {
    ...inViews,
    findLoginUser: async (name: string) =>
      (await inViews.findLoginUser(name)) ??
      (name.includes('@') ? inViews.findLoginUser(emailKeyOf(secrets, name)) : undefined),
  };
  const tokens = {
    service,
    lifetimeSeconds: async () => Math.min((await configuration()).token_expiration, longestTokenMinutes) * 60,
  };
  const keys = keyRing({ ...views, openSecret: secrets.open });
  const findSubject = subjectFinder(views);
  const challenge = challenger(options.challenge);
  const noteUse = useNoter((event, metadata) =>
    background.record(credentialUsesStream(new Date()), event, metadata),
  );
  const accounts: LoginPorts & AccessTokenPorts = {
    ...views,
    passwordMatches,
    hashAccessToken: accessTokenHasher(secrets),
    throttle: loginThrottle({ now: () => performance.now(), pause: (ms) => sleep(ms) }),
    robotPrefix: async () => (await configuration()).robot_name_prefix,
    recordLogin: (event, metadata) => background.record(loginsStream(new Date()), event, metadata),
  };
  const loginByAccessToken = noting(noteUse, accessTokenLogin(accounts));
  const login = withAccessTokens(noting(noteUse, loginWith(accounts)), loginByAccessToken);
  const { externalUrl } = options.challenge;
  return {
    authenticate: authenticator({
      login,
      loginByAccessToken,
      noteUse,
      verifyToken: tokenVerifier(keys, tokens),
      findSubject,
      challenge,
    }),
    challenge,
    login,
    // Robots have no browsers.
    sessionLogin: loginWith({ ...accounts, findRobot: async () => undefined, each: true }),
    confirmPassword: passwordConfirmer(accounts),
    sessions: sessionsWith({
      store: options.sessionStore,
      ...{ findSubject, externalUrl, recordLogin: accounts.recordLogin },
      timeoutMinutes: async () => (await configuration()).session_timeout,
    }),
    csrf: { sign: (token) => secrets.fingerprint(token, 'csrf'), externalUrl } satisfies CsrfPorts,
    refresh: refreshWith({
      refreshTokens: refreshTokens({ log, record }),
      findSubject,
      service,
      refreshLifetimeMs,
    }),
    tokens,
    issueToken: tokenIssuer(keys, tokens),
  };
}

/** The keyed hash under which access tokens are stored. */
export const accessTokenHasher =
  (secrets: Pick<SecretBox, 'fingerprint'>) =>
  (token: string): string =>
    secrets.fingerprint(token, 'access-token');
