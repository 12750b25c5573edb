import { setImmediate as endOfTurn, setTimeout as sleep } from 'node:timers/promises';
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
      try {
        const found = await Promise.race([redis.getBuffer(nameOf(key)), tooLate(answered.signal)]);
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

/**
 * Resolves when a question asked now has gone without an answer for too long, or nobody waits any more. The
 * delays of this process are not blamed on Redis: a timer is due by a clock that stands still while the process is busy,
 * and runs before the answers are read that have arrived.
 */
async function tooLate(answered: AbortSignal): Promise<'late'> {
  try {
    // The client sends at the end of the turn what was asked in it.
    await endOfTurn();
    const sentAt = performance.now();
    for (let leftMs = patienceMs; leftMs > 0; leftMs = sentAt + patienceMs - performance.now())
      await sleep(leftMs, undefined, { signal: answered });
    await endOfTurn();
  } catch (error) {
    if (!answered.aborted) throw error;
  }
  return 'late';
}
