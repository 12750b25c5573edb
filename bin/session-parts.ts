import type { Redis } from 'ioredis';
import { type SessionsPorts, sessionsWith } from '../gateway/auth/sessions.ts';
import type { Database } from '../infra/database/connect.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import type { SessionStore } from '../infra/session-store/port.ts';
import { openPostgresSessions } from '../infra/session-store/postgres.ts';
import { redisSessions } from '../infra/session-store/redis.ts';

/** In Redis where there is one, since nearly every request of a browser asks for its session. */
export const openSessionStore = (
  redis: Redis | undefined,
  database: Pick<Database, 'pool'>,
  secrets: SecretBox,
): Promise<SessionStore> =>
  redis === undefined ? openPostgresSessions(database) : Promise.resolve(redisSessions(redis, secrets));

/** What the settings that can be changed at run time say of sessions and of who may have an account. */
export const runTimeSettings = async () => ({
  auth_mode: 'db_auth',
  self_registration: false,
  session_timeout: 60,
});

export const sessionParts = (
  ports: Pick<SessionsPorts, 'store' | 'findSubject' | 'externalUrl'>,
  recordLogin: SessionsPorts['recordLogin'],
) =>
  sessionsWith({
    ...ports,
    recordLogin,
    timeoutMinutes: async () => (await runTimeSettings()).session_timeout,
  });
