import { readFile } from 'node:fs/promises';
import { Redis, type RedisOptions } from 'ioredis';
import type { Configuration } from '../configuration/schema.ts';

/** Who is told of the connection. */
export interface RedisLogger {
  info(message: string): void;
  warn(detail: object, message: string): void;
}

export type RedisSettings = NonNullable<Configuration['external_redis']>;

/**
 * A connection that fails fast, for what can do without Redis for a while: a command waits for no connection, and not
 * longer than this for its answer. Milliseconds.
 */
const commandTimeoutMs = 500;
const connectTimeoutMs = 5000;
const maxReconnectMs = 5000;

/**
 * Connects to the Redis of the configuration in the background, and again whenever the connection is lost; undefined
 * where none is configured. `disconnect` ends it. Rejects only when the file of `rootCA` cannot be read.
 */
export async function openRedis(
  { external_redis }: Pick<Configuration, 'external_redis'>,
  logger: RedisLogger,
): Promise<Redis | undefined> {
  if (external_redis === undefined) return undefined;
  const redis = new Redis(await optionsOf(external_redis));
  let away = false;
  redis.on('error', (error) => {
    // Every attempt to connect fails with another error; one line says it.
    if (!away) logger.warn({ err: error }, 'Redis is away; Shiplog goes on without it');
    away = true;
  });
  redis.on('ready', () => {
    logger.info('connected to Redis');
    away = false;
  });
  return redis;
}

async function optionsOf(settings: RedisSettings): Promise<Omit<RedisOptions, 'replyMapping'>> {
  const { username, password, sentinel_master_set: set, tlsOptions, registry_db_index } = settings;
  const [first, ...others] = addressesOf(settings);
  const ca = tlsOptions.rootCA === undefined ? undefined : await readFile(tlsOptions.rootCA);
  const tls = tlsOptions.enable ? { ...(ca !== undefined && { ca }) } : undefined;
  return {
    ...(set === undefined ? first : { sentinels: first === undefined ? [] : [first, ...others], name: set }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password: password.reveal() }),
    ...(tls !== undefined && { tls }),
    ...(tls !== undefined && set !== undefined && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
    db: registry_db_index,
    connectionName: 'shiplog',
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    connectTimeout: connectTimeoutMs,
    enableAutoPipelining: true,
    retryStrategy: (attempt) => Math.min(attempt * 100, maxReconnectMs),
  };
}

/** Harbor writes `host:port`, several with commas where they are sentinels, or host and port in keys of their own. */
function addressesOf({ host, port, sentinel_master_set }: RedisSettings): { host: string; port: number }[] {
  const standard = port ?? (sentinel_master_set === undefined ? 6379 : 26_379);
  return host.split(',').map((entry) => {
    const [, bracketed, plain, own] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(entry.trim()) ?? [];
    return { host: bracketed ?? plain ?? entry.trim(), port: own === undefined ? standard : Number(own) };
  });
}
