import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { AppPorts } from '../gateway/app.ts';
import { trustedProxies } from '../gateway/forwarded.ts';
import { identityLimit } from '../gateway/rate-limit.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import { inProcessRateLimit } from '../infra/rate-limit/in-process.ts';
import { type RateLimit, rateOf } from '../infra/rate-limit/port.ts';
import { redisRateLimit } from '../infra/rate-limit/redis.ts';

export type EdgePorts = Pick<AppPorts, 'isTrustedProxy' | 'bodyPatience' | 'limit' | 'addressLimit'>;

/** What the gateway does with clients before it knows what they want. @param redis counts for all processes */
export function edgePorts(
  { http, rate_limit }: Configuration,
  redis: Redis | undefined,
  logger: Pick<Logger, 'warn'>,
): EdgePorts {
  const report = (error: unknown) =>
    logger.warn({ err: error }, 'requests are counted in this process alone until Redis answers');
  function rateLimit(name: string, perSecond: number, burst: number): RateLimit | undefined {
    const rate = rateOf(perSecond, burst);
    if (rate === undefined) return undefined;
    return redis === undefined ? inProcessRateLimit(rate) : redisRateLimit(redis, name, rate, report);
  }
  const { requests_per_second, burst, address_requests_per_second, address_burst } = rate_limit;
  return {
    isTrustedProxy: trustedProxies(http.trusted_proxies),
    bodyPatience: {
      windowMs: http.body_timeout_seconds * 1000,
      minBytesPerSecond: http.body_min_bytes_per_second,
    },
    limit: identityLimit(rateLimit('identity', requests_per_second, burst)),
    addressLimit: rateLimit('address', address_requests_per_second, address_burst),
  };
}
