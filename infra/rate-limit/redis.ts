import type { Redis } from 'ioredis';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { inProcessRateLimit, waitOf } from './in-process.ts';
import type { Rate, RateLimit } from './port.ts';

/** How long this process counts by itself before it asks a Redis again that did not answer, in milliseconds. */
const pauseMs = 5000;

/**
 * Counts in Redis, together with every process that uses the same one and the same `name`. While Redis is away each
 * process counts for itself.
 * @param report is told once of each time that Redis is away
 */
export function redisRateLimit(
  redis: Redis,
  name: string,
  rate: Rate,
  report: (error: unknown) => void,
): RateLimit {
  const alone = inProcessRateLimit(rate);
  const shared = new RateLimiterRedis({
    storeClient: redis,
    rejectIfRedisNotReady: true,
    keyPrefix: `shiplog:rate-limit:${name}`,
    points: rate.count,
    duration: rate.seconds,
    // Who has nothing left is refused without a question to Redis until his window ends.
    inMemoryBlockOnConsumed: rate.count,
  });
  let askAgainAt = Number.NEGATIVE_INFINITY;
  let away = false;

  return {
    async take(key) {
      if (performance.now() < askAgainAt) return alone.take(key);
      try {
        await shared.consume(key);
        away = false;
        return undefined;
      } catch (refused) {
        if (refused instanceof RateLimiterRes) return waitOf(refused);
        if (!away) report(refused);
        away = true;
        askAgainAt = performance.now() + pauseMs;
        return alone.take(key);
      }
    },
  };
}
