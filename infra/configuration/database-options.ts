import { readFile } from 'node:fs/promises';
import type { ClientConfig } from 'pg';
import type { Configuration } from './schema.ts';

type ExternalDatabase = NonNullable<Configuration['external_database']['harbor']>;

/** How to connect to PostgreSQL; without `url` and `connection` it is the built-in server, which is to be started. */
export interface DatabaseOptions {
  readonly url?: string;
  readonly connection?: ClientConfig & { readonly database: string };
  readonly tls?: {
    readonly mode: ExternalDatabase['ssl_mode'];
    /** PEM, as the other two. */
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
  };
  readonly poolSize: number;
  /** How long to wait for a server that is not there yet. */
  readonly waitMs: number;
}

/** Two pools of this size leave room for listeners and an operator on the built-in server. */
const mostToBuiltIn = 40;

/**
 * The server for the views or for the log, as the configuration says.
 * Rejects when the file of `ssl_ca`, `ssl_cert` or `ssl_key` cannot be read; the message names it.
 */
export async function databaseOptions(
  { database, external_database }: Configuration,
  purpose: 'views' | 'log',
): Promise<DatabaseOptions> {
  const own = purpose === 'log' ? external_database.log : undefined;
  const external = own ?? external_database.harbor;
  if (external !== undefined) return optionsOf(external);
  const { url, max_open_conns, wait_seconds } = database;
  const waitMs = wait_seconds * 1000;
  if (url === undefined) return { poolSize: Math.min(max_open_conns, mostToBuiltIn), waitMs };
  return { url: url.reveal(), poolSize: max_open_conns, waitMs };
}

async function optionsOf(external: ExternalDatabase): Promise<DatabaseOptions> {
  const { host, port, db_name, username, password, ssl_mode, ssl_ca, ssl_cert, ssl_key } = external;
  return {
    connection: {
      host,
      port,
      database: db_name,
      user: username,
      ...(password && { password: password.reveal() }),
    },
    tls: {
      mode: ssl_mode,
      ...(ssl_ca && { ca: await readFile(ssl_ca, 'utf8') }),
      ...(ssl_cert && { cert: await readFile(ssl_cert, 'utf8') }),
      ...(ssl_key && { key: await readFile(ssl_key, 'utf8') }),
    },
    poolSize: external.max_open_conns,
    waitMs: external.wait_seconds * 1000,
  };
}
