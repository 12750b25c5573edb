import { setTimeout as delay } from 'node:timers/promises';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { messageOf } from '../outbound/message-of.ts';
import { type Listener, listenTo } from './listen.ts';
import { DatabaseUnavailable, DatabaseUnusable, isOutage } from './outage.ts';
import { parseDatabaseUrl, type TlsOptions, tlsConfig } from './target.ts';

export interface ConnectOptions {
  /** One of `connection` and `url` is given. */
  readonly connection?: pg.ClientConfig & { readonly database: string };
  /** See `parseDatabaseUrl`. */
  readonly url?: string;
  /** Connections that queries share; listeners have one each on top. */
  readonly poolSize: number;
  /** Without it `sslmode` in the URL counts, and without that one nothing is encrypted. */
  readonly tls?: TlsOptions;
  /** A statement that runs longer is cancelled. */
  readonly statementTimeoutMs?: number;
  /** What the server shows in `pg_stat_activity`. */
  readonly applicationName?: string;
  /** How long to wait for a server that is not there yet. */
  readonly waitMs: number;
  /** Whether a database that does not exist is created; its user needs the right to. */
  readonly createIfMissing?: boolean;
  /** Is told what it waits for, when that changes and every few seconds. */
  readonly onWait?: (message: string) => void;
}

/** Connections to one PostgreSQL database. Its int8 values are bigint. */
// biome-ignore lint/suspicious/noExplicitAny: who has tables of their own says so; others do not ask for any.
export interface Database<Tables = any> {
  readonly pool: pg.Pool;
  /** On the pool. Who has tables of their own says `kysely.$extendTables<Tables>()`. */
  readonly kysely: Kysely<Tables>;
  /**
   * Follows a channel; see `listenTo`. @throws DatabaseUnavailable when that cannot begin now.
   */
  listen(channel: string, onNotification: (payload: string) => void): Promise<Listener>;
  /** Ends all listeners and connections; waits a bounded time for queries that run. */
  close(): Promise<void>;
}

const oldestVersion = 140000;
const invalidCatalogName = '3D000';

/**
 * Connects to PostgreSQL 14 or newer, of UTF8 encoding.
 * @throws DatabaseUnavailable when the server is still away after `waitMs`.
 * @throws DatabaseUnusable when it refuses us or is not fit.
 */
export async function connectDatabase<Tables = Record<never, never>>(
  options: ConnectOptions,
): Promise<Database<Tables>> {
  const { config, database } = clientConfig(options);
  await waitForDatabase(config, database, options);

  const pool = new pg.Pool({
    ...config,
    max: options.poolSize,
    // Opening one costs a process on the server.
    idleTimeoutMillis: 60_000,
    // Also bounds how long a query waits for a connection of a busy pool.
    connectionTimeoutMillis: 30_000,
  });
  // Without a handler a connection that breaks ends the process. The pool has dropped it already, and a query that
  // needs one says what is wrong.
  pool.on('error', () => undefined);
  // The same for one that breaks between two queries of a transaction, where the pool's own handler is off.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  const listeners = new Set<Listener>();
  let closed: Promise<void> | undefined;

  return {
    pool,
    kysely,
    async listen(channel, onNotification) {
      let listener: Listener;
      try {
        listener = await listenTo(config, channel, onNotification);
      } catch (error) {
        throw isOutage(error) ? unavailable(config, error) : error;
      }
      listeners.add(listener);
      return {
        async close() {
          listeners.delete(listener);
          await listener.close();
        },
      };
    },
    close() {
      closed ??= (async () => {
        await Promise.all([...listeners].map((listener) => listener.close()));
        await Promise.race([pool.end(), delay(10_000, undefined, { ref: false })]);
      })();
      return closed;
    },
  };
}

function clientConfig(options: ConnectOptions): { config: pg.ClientConfig; database: string } {
  const target =
    options.url === undefined
      ? { config: options.connection, database: options.connection?.database, tls: undefined }
      : parseDatabaseUrl(options.url);
  if (target.config === undefined || target.database === undefined) {
    throw new DatabaseUnusable('neither the URL of a database nor a connection is given');
  }
  const tls = options.tls ?? target.tls;
  const config: pg.ClientConfig = {
    ...target.config,
    types,
    connectionTimeoutMillis: 10_000,
    application_name: options.applicationName ?? 'shiplog',
    keepAlive: true,
    ...(tls === undefined ? {} : { ssl: tlsConfig(tls) }),
    ...(options.statementTimeoutMs === undefined ? {} : { statement_timeout: options.statementTimeoutMs }),
  };
  return { config, database: target.database };
}

/** int8 and int8[] as bigint, for our connections only: another library in this process may rely on text. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (format === 'binary') return pg.types.getTypeParser(oid, 'binary');
    if (oid === pg.types.builtins.INT8) return BigInt;
    if (oid !== int8Array) return pg.types.getTypeParser(oid, 'text');
    const parse = pg.types.getTypeParser(int8Array, 'text') as (text: string) => (string | null)[];
    return (text: string) => parse(text).map((item) => (item === null ? null : BigInt(item)));
  }) as typeof pg.types.getTypeParser,
};
const int8Array: number = 1016; // missing in the list of builtins

async function waitForDatabase(
  config: pg.ClientConfig,
  database: string,
  options: ConnectOptions,
): Promise<void> {
  const until = performance.now() + options.waitMs;
  let told = { message: '', at: 0 };
  let created = false;
  for (let pauseMs = 50; ; pauseMs = Math.min(1_000, pauseMs * 2)) {
    try {
      await withClient(config, checkServer);
      return;
    } catch (error) {
      if (error instanceof DatabaseUnusable) throw error;
      const isMissing = (error as { code?: string }).code === invalidCatalogName;
      if (isMissing && !created) {
        created = await createDatabase(config, database, options.createIfMissing ?? false);
        if (created) continue;
      }
      if (!isMissing && !isOutage(error)) {
        throw new DatabaseUnusable(`the database ${describe(config)} refuses us: ${messageOf(error)}`, {
          cause: error,
        });
      }
      if (performance.now() + pauseMs > until) throw unavailable(config, error);
      const message = `waiting for the database ${describe(config)}: ${messageOf(error)}`;
      if (message !== told.message || performance.now() - told.at > 5_000) {
        told = { message, at: performance.now() };
        options.onWait?.(message);
      }
      await delay(pauseMs);
    }
  }
}

async function checkServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query(
    `select current_setting('server_version_num')::int as number, current_setting('server_version') as version,
      current_setting('server_encoding') as encoding`,
  );
  const { number, version, encoding } = rows[0] as { number: number; version: string; encoding: string };
  if (number < oldestVersion) {
    throw new DatabaseUnusable(`the database is a PostgreSQL ${version}; Shiplog needs 14 or newer`);
  }
  if (encoding !== 'UTF8') {
    throw new DatabaseUnusable(`the database has the encoding ${encoding}; create one with encoding 'UTF8'`);
  }
}

/** Whether the database exists now. Several processes may do this at once; all of them find it created. */
async function createDatabase(config: pg.ClientConfig, database: string, allowed: boolean): Promise<boolean> {
  const name = pg.escapeIdentifier(database);
  // From template0, since the encoding of template1 may be another one, and so that nobody connected is in the way.
  const statement = `create database ${name} template template0 encoding 'UTF8'`;
  if (!allowed) {
    throw new DatabaseUnusable(`there is no database ${describe(config)}; create it: ${statement}`);
  }
  const create = (client: pg.Client) => client.query(statement);
  try {
    try {
      await withClient({ ...config, database: 'postgres' }, create);
    } catch (error) {
      const { code } = error as { code?: string };
      // `postgres` is a convention and may have been dropped or closed to us.
      if (code !== invalidCatalogName && !code?.startsWith('28') && code !== '42501') throw error;
      await withClient({ ...config, database: 'template1' }, create);
    }
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === '42P04' || code === '23505') return true;
    if (isOutage(error)) return false;
    throw new DatabaseUnusable(
      `the database ${describe(config)} cannot be created (${messageOf(error)}); create it: ${statement}`,
      { cause: error },
    );
  }
}

async function withClient<Result>(
  config: pg.ClientConfig,
  use: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client(config);
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await use(client);
  } finally {
    await Promise.race([client.end().catch(() => undefined), delay(2_000, undefined, { ref: false })]);
  }
}

const unavailable = (config: pg.ClientConfig, cause: unknown): DatabaseUnavailable =>
  new DatabaseUnavailable(`the database ${describe(config)} is away: ${messageOf(cause)}`, { cause });

/** Without the password. */
const describe = ({ host, port, database }: pg.ClientConfig): string => `${database} at ${host}:${port}`;
