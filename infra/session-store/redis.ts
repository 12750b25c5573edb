import type { Redis } from 'ioredis';
import { z } from 'zod';
import { SealBroken, type SecretBox } from '../secrets/port.ts';
import { type Session, type SessionStore, SessionStoreUnavailable } from './port.ts';

const prefix = 'shiplog:session:';
const keyOf = (idHash: string): string => `${prefix}${idHash}`;
/** The hashes of a user's sessions, by when they were opened. */
const indexOf = (userId: number): string => `shiplog:sessions-of:${userId}`;
const contextOf = (idHash: string): string => `session/${idHash}`;

/** KEYS: the index. ARGV: the prefix. Forgets the sessions that have expired. */
const prune = `
  for _, hash in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    if redis.call('EXISTS', ARGV[1] .. hash) == 0 then redis.call('ZREM', KEYS[1], hash) end
  end`;
/** KEYS: the index. ARGV: prefix, hash, when it was opened, milliseconds left. The index lasts as long as any of its sessions. */
const enter = `
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
  if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end`;

const scripts = {
  /** ARGV beyond those of `enter`: the session, how many the user may have. */
  open: `
    redis.call('SET', ARGV[1] .. ARGV[2], ARGV[5], 'PX', ARGV[4])
    ${enter}
    ${prune}
    local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[6])
    if over > 0 then
      for _, hash in ipairs(redis.call('ZRANGE', KEYS[1], 0, over - 1)) do
        redis.call('DEL', ARGV[1] .. hash)
        redis.call('ZREM', KEYS[1], hash)
      end
    end`,
  /** ARGV beyond those of `enter`: the session. Enters it again, in case Redis has evicted the index. */
  renew: `
    if redis.call('SET', ARGV[1] .. ARGV[2], ARGV[5], 'XX', 'PX', ARGV[4]) then
      ${enter}
    end`,
  list: `
    ${prune}
    local found = {}
    for _, hash in ipairs(redis.call('ZREVRANGE', KEYS[1], 0, -1)) do
      table.insert(found, hash)
      table.insert(found, redis.call('GET', ARGV[1] .. hash))
    end
    return found`,
  endAll: `
    for _, hash in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('DEL', ARGV[1] .. hash) end
    redis.call('DEL', KEYS[1])`,
} as const;

const time = z.number().transform((ms) => new Date(ms));
const stored = z.object({
  user: z.object({ userId: z.int(), username: z.string(), credentialVersion: z.int() }),
  createdAt: time,
  lastUsedAt: time,
  expiresAt: time,
  address: z.string(),
  userAgent: z.string(),
});

/**
 * The sessions in Redis, each sealed under the installation's secret key: who can write to Redis, where others may
 * keep their data too, cannot make himself a session. Each is gone when it expires. A Redis that forgets what it has
 * logs everybody out, and nothing else.
 */
export function redisSessions(redis: Redis, secrets: Pick<SecretBox, 'seal' | 'open'>): SessionStore {
  const seal = ({ idHash, ...session }: Session): string =>
    secrets.seal(
      JSON.stringify({
        ...session,
        createdAt: session.createdAt.getTime(),
        lastUsedAt: session.lastUsedAt.getTime(),
        expiresAt: session.expiresAt.getTime(),
      }),
      contextOf(idHash),
    );

  /** Undefined for what somebody else, or another version of Shiplog, has put there. */
  function unseal(idHash: string, sealed: string): Session | undefined {
    try {
      const { data } = stored.safeParse(JSON.parse(secrets.open(sealed, contextOf(idHash))));
      return data !== undefined && data.expiresAt.getTime() > Date.now() ? { idHash, ...data } : undefined;
    } catch (error) {
      if (error instanceof SealBroken) return undefined;
      throw error;
    }
  }

  async function run(
    script: keyof typeof scripts,
    userId: number,
    ...values: (string | number)[]
  ): Promise<unknown> {
    return available(redis.eval(scripts[script], 1, indexOf(userId), prefix, ...values));
  }

  /** What is left of the session's time, which Redis counts down; it takes none that is over. */
  const leftMs = ({ expiresAt }: Session): number => Math.max(1, expiresAt.getTime() - Date.now());

  return {
    async open(session, max) {
      const { idHash, user, createdAt } = session;
      await run('open', user.userId, idHash, createdAt.getTime(), leftMs(session), seal(session), max);
    },

    async find(idHash) {
      const sealed = await available(redis.get(keyOf(idHash)));
      return sealed === null ? undefined : unseal(idHash, sealed);
    },

    async renew(session) {
      const { idHash, user, createdAt } = session;
      await run('renew', user.userId, idHash, createdAt.getTime(), leftMs(session), seal(session));
    },

    async listOf(userId) {
      const found = (await run('list', userId)) as string[];
      return found.flatMap((idHash, at) => {
        const session = at % 2 === 0 ? unseal(idHash, found[at + 1] ?? '') : undefined;
        return session?.user.userId === userId ? [session] : [];
      });
    },

    async end(idHash) {
      const sealed = await available(redis.getdel(keyOf(idHash)));
      // Redis counts a little longer than the session says.
      return sealed !== null && unseal(idHash, sealed) !== undefined;
    },

    async endAllOf(userId) {
      await run('endAll', userId);
    },

    // They go by themselves.
    sweep: async () => 0,
  };
}

async function available<Answer>(asked: Promise<Answer>): Promise<Answer> {
  try {
    return await asked;
  } catch (error) {
    throw new SessionStoreUnavailable('Redis, which has the sessions, does not answer', { cause: error });
  }
}
