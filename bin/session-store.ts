import type { Redis } from 'ioredis';
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
