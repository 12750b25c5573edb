import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Rate, RateLimit } from './port.ts';

/** Counts in this process; a key is forgotten at the end of its window. */
export function inProcessRateLimit({ count, seconds }: Rate): RateLimit {
  const limiter = new RateLimiterMemory({ points: count, duration: seconds });
  return {
    async take(key) {
      try {
        await limiter.consume(key);
        return undefined;
      } catch (refused) {
        return waitOf(refused);
      }
    },
  };
}

/** The package rejects with its count, and not with an error, when there is nothing left. @throws everything else */
export function waitOf(refused: unknown): number {
  if (refused instanceof RateLimiterRes) return refused.msBeforeNext;
  throw refused;
}
