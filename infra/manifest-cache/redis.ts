import { setTimeout as sleep } from 'node:timers/promises';
import { type Redis, ReplyError } from 'ioredis';
import type { ManifestCache } from './port.ts';

/** A Redis in the same network answers sooner, and a blob store not much later. Milliseconds. */
const patienceMs = 10;
/** How long nobody asks a Redis that did not answer in time, in milliseconds. */
const pauseMs = 5000;

const nameOf = (key: string): string => `shiplog:manifest:${key}`;

/** Keeps manifests in Redis, each for `seconds` after it was stored there; how many, its `maxmemory` says. */
export function redisManifestCache(redis: Redis, seconds: number): ManifestCache {
  let askAgainAt = Number.NEGATIVE_INFINITY;
  const isThere = (): boolean => redis.status === 'ready' && performance.now() >= askAgainAt;
  const leaveAlone = (): undefined => {
    askAgainAt = performance.now() + pauseMs;
  };

  return {
    async find(key) {
      if (!isThere()) return undefined;
      const answered = new AbortController();
      const late = sleep(patienceMs, 'late' as const, { signal: answered.signal }).catch(
        () => 'late' as const,
      );
      try {
        const found = await Promise.race([redis.getBuffer(nameOf(key)), late]);
        return found === 'late' ? leaveAlone() : (found ?? undefined);
      } catch {
        return leaveAlone();
      } finally {
        answered.abort();
      }
    },

    keep(key, bytes) {
      if (!isThere()) return;
      redis.set(nameOf(key), bytes, 'EX', seconds).catch((error: unknown) => {
        // It answers, and may be full: what it has can be had all the same.
        if (!(error instanceof ReplyError)) leaveAlone();
      });
    },
  };
}
