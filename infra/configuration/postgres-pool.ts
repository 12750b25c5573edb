import { readFile } from 'node:fs/promises';
import type { PoolConfig } from 'pg';
import type { Configuration } from './schema.ts';

type ExternalDatabase = NonNullable<Configuration['external_database']['harbor']>;
type Limits = Pick<
  ExternalDatabase,
  'max_open_conns' | 'conn_max_idle_time' | 'conn_max_lifetime' | 'wait_seconds'
>;

export interface PostgresPool {
  /** Whether it is Shiplog's own server, which is to be started first; `pool` lacks how to reach it then. */
  readonly builtIn: boolean;
  readonly pool: PoolConfig;
}

/**
 * How to reach the PostgreSQL server for the views or for the log, as the configuration says.
 * Rejects when a file of `ssl_ca`, `ssl_cert` or `ssl_key` cannot be read; the message names it.
 */
export async function postgresPool(
  { database, external_database }: Configuration,
  purpose: 'views' | 'log',
): Promise<PostgresPool> {
  const own = purpose === 'log' ? external_database.log : undefined;
  const external = own ?? external_database.harbor;
  if (external !== undefined) return { builtIn: false, pool: await connection(external) };
  if (database.url === undefined) return { builtIn: true, pool: limits(database) };
  return { builtIn: false, pool: { connectionString: database.url.reveal(), ...limits(database) } };
}

async function connection(database: ExternalDatabase): Promise<PoolConfig> {
  const { host, port, db_name, username, password } = database;
  return {
    host,
    port,
    database: db_name,
    user: username,
    ...(password && { password: password.reveal() }),
    ssl: await tls(database),
    ...limits(database),
  };
}

function limits(of: Limits): PoolConfig {
  return {
    max: of.max_open_conns,
    idleTimeoutMillis: of.conn_max_idle_time,
    maxLifetimeSeconds: Math.ceil(of.conn_max_lifetime / 1000),
    connectionTimeoutMillis: of.wait_seconds * 1000,
  };
}

/** libpq's `sslmode` in the words of Node's TLS. */
async function tls({ ssl_mode, ssl_ca, ssl_cert, ssl_key }: ExternalDatabase): Promise<PoolConfig['ssl']> {
  if (ssl_mode === 'disable') return false;
  return {
    rejectUnauthorized: ssl_mode !== 'require',
    ...(ssl_mode === 'verify-ca' && { checkServerIdentity: () => undefined }),
    ...(ssl_ca && { ca: await readFile(ssl_ca, 'utf8') }),
    ...(ssl_cert && { cert: await readFile(ssl_cert, 'utf8') }),
    ...(ssl_key && { key: await readFile(ssl_key, 'utf8') }),
  };
}
