import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chown, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import { type ConnectOptions, connectDatabase, type Database } from '../../infra/database/connect.ts';
import { type PostgresConnection, startEmbeddedPostgres } from '../../infra/database/embedded-postgres.ts';
import { DatabaseUnavailable, DatabaseUnusable, isOutage } from '../../infra/database/outage.ts';
import { chooseAccount } from '../../infra/database/postgres-account.ts';
import { findPostgresBinaries } from '../../infra/database/postgres-binaries.ts';
import { guarded } from '../../infra/database/postgres-guard.ts';
import { parseDatabaseUrl } from '../../infra/database/target.ts';
import { startPostgres } from '../postgres.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { requireTool } from '../tool.ts';

async function connect(t: TestContext, options: Partial<ConnectOptions>): Promise<Database<unknown>> {
  const database = await connectDatabase<unknown>({ poolSize: 4, waitMs: 20_000, ...options });
  t.after(() => database.close());
  return database;
}

async function startServer(t: TestContext, directory: string) {
  const server = await startEmbeddedPostgres({ directory });
  t.after(() => server.stop());
  return server;
}

/** What `action` is rejected with. */
async function failureOf(action: Promise<unknown>): Promise<Error & { code?: string }> {
  const failure = await action.then(
    () => undefined,
    (error: Error) => error,
  );
  assert.ok(failure, 'it was not rejected');
  return failure;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(10);
}

async function succeedInTheEnd(action: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await action();
      return;
    } catch (error) {
      assert.ok(isOutage(error), error as Error);
      await delay(20);
    }
  }
}

test('int8 is a bigint on our connections, and text on those of others in this process', async (t) => {
  const { connection } = await startPostgres(t);
  const { pool, kysely } = await connect(t, { connection: connection() });
  const statement = "select 9007199254740993::int8 as one, '{1,null}'::int8[] as many, null::int8 as none";
  const { rows } = await pool.query(statement);
  assert.deepEqual(rows, [{ one: 9007199254740993n, many: [1n, null], none: null }]);
  const typed = await sql<{ one: bigint }>`select ${5n}::int8 as one`.execute(kysely);
  assert.deepEqual(typed.rows, [{ one: 5n }]);

  const other = new pg.Client(connection());
  await other.connect();
  const theirs = await other.query('select 1::int8 as one');
  await other.end();
  assert.deepEqual(theirs.rows, [{ one: '1' }]);
});

test('a server that is not there yet is waited for, and the wait is told of', async (t) => {
  const directory = await temporaryDirectory();
  const first = await startServer(t, directory);
  const connection = first.connection('postgres');
  await first.stop();
  const told: string[] = [];
  const connected = connect(t, { connection, onWait: (message) => void told.push(message) });
  await until(() => told.length > 0);
  await startServer(t, directory);
  const { pool } = await connected;
  assert.deepEqual((await pool.query('select 1 as one')).rows, [{ one: 1 }]);
  assert.match(told[0] ?? '', /^waiting for the database postgres at .*ENOENT/);
});

test('the wait for a server ends, with an outage that names it and not its password', async (t) => {
  const listener = createServer().listen(0, '127.0.0.1');
  await until(() => listener.listening);
  const { port } = listener.address() as { port: number };
  await new Promise((resolve) => listener.close(resolve));
  const url = `postgres://me:secret@127.0.0.1:${port}/shiplog`;
  const failure = await failureOf(connect(t, { url, waitMs: 300 }));
  assert.ok(failure instanceof DatabaseUnavailable);
  assert.ok(isOutage(failure));
  assert.match(failure.message, new RegExp(`shiplog at 127.0.0.1:${port} is away: .*ECONNREFUSED`));
  assert.ok(!failure.message.includes('secret'));
});

test('a wrong password is no outage, and is not waited on', async (t) => {
  const { connection } = await startPostgres(t);
  const failure = await failureOf(connect(t, { connection: { ...connection(), password: 'guess' } }));
  assert.ok(failure instanceof DatabaseUnusable);
  assert.ok(!isOutage(failure));
  assert.ok(!failure.message.includes('guess'));
});

test('several that create the missing database at once all find it', async (t) => {
  const { server } = await startPostgres(t);
  const missing = server.connection(`Made "here" ${Date.now()}`);
  const made = await Promise.all(
    Array.from({ length: 6 }, () => connect(t, { connection: missing, createIfMissing: true, poolSize: 1 })),
  );
  for (const { pool } of made) {
    const { rows } = await pool.query(
      "select current_database() as name, current_setting('server_encoding') as e",
    );
    assert.deepEqual(rows, [{ name: missing.database, e: 'UTF8' }]);
  }
});

test('a missing database that is not to be created is refused with the statement that creates it', async (t) => {
  const { connection } = await startPostgres(t);
  const failure = await failureOf(connect(t, { connection: connection('absent') }));
  assert.ok(failure instanceof DatabaseUnusable);
  assert.match(failure.message, /create database "absent" template template0 encoding 'UTF8'/);
});

test('a user who may not create the database is told so', async (t) => {
  const { connection } = await startPostgres(t);
  const admin = await connect(t, { connection: connection() });
  await admin.pool.query("create role plain login password 'plain'");
  const plain = { ...connection('absent'), user: 'plain', password: 'plain' };
  const failure = await failureOf(connect(t, { connection: plain, createIfMissing: true }));
  assert.ok(failure instanceof DatabaseUnusable);
  assert.match(failure.message, /cannot be created \(permission denied.*create it: create database/);
});

test('a database of another encoding than UTF8 is refused', async (t) => {
  const { connection, server } = await startPostgres(t);
  const admin = await connect(t, { connection: connection() });
  const options = "template template0 encoding 'LATIN1' locale_provider libc locale 'C'";
  await admin.pool.query(`create database latin ${options}`);
  const failure = await failureOf(connect(t, { connection: server.connection('latin') }));
  assert.ok(failure instanceof DatabaseUnusable);
  assert.match(failure.message, /the encoding LATIN1/);
});

test('a statement that takes longer than the limit is cancelled, which is no outage', async (t) => {
  const { connection } = await startPostgres(t);
  const { pool } = await connect(t, { connection: connection(), statementTimeoutMs: 50 });
  const failure = await failureOf(pool.query('select pg_sleep(60)'));
  assert.equal(failure.code, '57014');
  assert.ok(!isOutage(failure));
});

test('connections that break, idle or within a transaction, do not end the process, and are replaced', async (t) => {
  const { connection } = await startPostgres(t);
  const { pool } = await connect(t, { connection: connection() });
  const admin = await connect(t, { connection: connection(), applicationName: 'admin', poolSize: 1 });
  const terminate = () =>
    admin.pool.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'shiplog'",
    );
  await Promise.all([pool.query('select pg_sleep(0.1)'), pool.query('select pg_sleep(0.1)')]);
  const inTransaction = await pool.connect();
  await inTransaction.query('begin');
  await terminate();
  const failure = await failureOf(
    (async () => {
      for (;;) await inTransaction.query('select 1');
    })(),
  );
  inTransaction.release();
  assert.ok(isOutage(failure), failure);
  await succeedInTheEnd(() => pool.query('select 1'));
});

test('an outage is told from a bug', async (t) => {
  const { connection } = await startPostgres(t);
  const { pool } = await connect(t, { connection: connection() });
  await pool.query('create table unique_things (id int primary key)');
  const twice = 'insert into unique_things values (1), (1)';
  assert.ok(!isOutage(await failureOf(pool.query(twice))));
  assert.ok(!isOutage(await failureOf(pool.query('selec'))));
  assert.ok(!isOutage(await failureOf(readFile('/nowhere'))), 'a missing file is not a missing socket');
  assert.ok(!isOutage(undefined));
  for (const code of ['08006', '57P01', '57P03', '53100', '53300', '58030']) {
    assert.ok(isOutage(Object.assign(new Error('from the server'), { code })), code);
  }
  assert.ok(isOutage(new Error('wrapped', { cause: new DatabaseUnavailable('away') })));
  const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
  assert.ok(isOutage(new AggregateError([refused])), 'all addresses of a name');
});

test('a listener survives kill -9 of the server, and is told that it may have missed something', async (t) => {
  const server = await startServer(t, await temporaryDirectory());
  const { pool, listen } = await connect(t, { connection: server.connection('postgres') });
  const heard: string[] = [];
  await listen('Some channel', (payload) => void heard.push(payload));
  await pool.query(`select pg_notify('Some channel', 'before')`);
  await until(() => heard.length === 1);

  process.kill(server.pid(), 'SIGKILL');
  await until(() => heard.length === 2);
  await succeedInTheEnd(() => pool.query(`select pg_notify('Some channel', 'after')`));
  await until(() => heard.includes('after'));
  assert.deepEqual(heard, ['before', '', 'after']);
});

test('a listener that is closed hears nothing more, and its connection is gone', async (t) => {
  const { connection } = await startPostgres(t);
  const { pool, listen } = await connect(t, { connection: connection() });
  const heard: string[] = [];
  const listener = await listen('channel', (payload) => void heard.push(payload));
  await listener.close();
  await listener.close();
  const others = "select 1 from pg_stat_activity where query like 'listen%' and datname = current_database()";
  await until(async () => (await pool.query(others)).rowCount === 0);
  await pool.query("notify channel, 'late'");
  assert.deepEqual(heard, []);
});

test('close ends every connection, and can be repeated', async (t) => {
  const { connection, server } = await startPostgres(t);
  const database = await connect(t, { connection: connection() });
  await database.listen('channel', () => undefined);
  await database.pool.query('select 1');
  await Promise.all([database.close(), database.close()]);
  const admin = await connect(t, { connection: server.connection('postgres') });
  const left = `select 1 from pg_stat_activity where datname = '${connection().database}'`;
  await until(async () => (await admin.pool.query(left)).rowCount === 0);
});

test('a URL is read as libpq reads it', () => {
  const { config, tls } = parseDatabaseUrl(
    'postgresql://a%40b:p%2Fw@db.example:5433/my%20db?sslmode=verify-ca',
  );
  assert.deepEqual(config, {
    host: 'db.example',
    port: 5433,
    user: 'a@b',
    password: 'p/w',
    database: 'my db',
  });
  assert.deepEqual(tls, { mode: 'verify-ca' });
  assert.equal(parseDatabaseUrl('postgres:///shiplog?host=/run/postgresql').config.host, '/run/postgresql');
  assert.equal(parseDatabaseUrl('postgres://[::1]/shiplog').config.host, '::1');
  assert.throws(() => parseDatabaseUrl('mysql://here/shiplog'), DatabaseUnusable);
  assert.throws(() => parseDatabaseUrl('postgres://h/db?sslmode=maybe'), /sslmode=maybe; known are disable/);
  assert.throws(() => parseDatabaseUrl('postgres://h/db?shlmode=require'), /unknown parameter: shlmode/);
});

test('a URL with the folder of a Unix socket connects', async (t) => {
  const { connection } = await startPostgres(t);
  const { host, user, password, database } = connection();
  const url = `postgres:///${database}?host=${encodeURIComponent(host)}&user=${user}&password=${password}`;
  const { pool } = await connect(t, { url });
  assert.deepEqual((await pool.query('select 1 as one')).rows, [{ one: 1 }]);
});

test('each ssl_mode checks as much of the server as it says', async (t) => {
  const openssl = requireTool(t, 'openssl');
  if (openssl === undefined) return;
  const directory = await temporaryDirectory();
  const server = await startServer(t, directory);
  await server.stop();
  const { ca, connection } = await startTlsServer(t, directory, openssl, server.connection('postgres'));
  const named = { ...connection, host: 'localhost' };
  const encrypted = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()';
  const works = async (options: Partial<ConnectOptions>) => {
    const { pool } = await connect(t, { waitMs: 0, ...options });
    return (await pool.query(encrypted)).rows[0].ssl;
  };
  const refusal = (options: Partial<ConnectOptions>) => failureOf(works(options));

  assert.equal(await works({ connection, tls: { mode: 'disable' } }), false);
  assert.equal(await works({ connection, tls: { mode: 'require' } }), true);
  assert.equal(await works({ connection, tls: { mode: 'verify-ca', ca } }), true);
  assert.equal(await works({ connection: named, tls: { mode: 'verify-full', ca } }), true);
  assert.equal(await works({ connection, tls: { mode: 'verify-full', rejectUnauthorized: false } }), true);
  const { user, password, port } = connection;
  const url = `postgres://${user}:${password}@localhost:${port}/postgres?sslmode=verify-full&sslrootcert=${directory}/server.crt`;
  assert.equal(await works({ url }), true);

  assert.ok((await refusal({ connection, tls: { mode: 'verify-ca' } })) instanceof DatabaseUnusable);
  const wrongName = await refusal({ connection, tls: { mode: 'verify-full', ca } });
  assert.ok(wrongName instanceof DatabaseUnusable);
  assert.match(wrongName.message, /altnames/);
});

/** PostgreSQL on a loopback port with a certificate for `localhost`, on a cluster that nobody runs. */
async function startTlsServer(
  t: TestContext,
  directory: string,
  openssl: string,
  { user, password, database }: PostgresConnection,
) {
  const [key, certificate] = [join(directory, 'server.key'), join(directory, 'server.crt')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const files = ['-keyout', key, '-out', certificate];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files];
  execFileSync(openssl, request, { stdio: 'ignore' });
  const binaries = await findPostgresBinaries();
  const cluster = join(directory, 'cluster');
  const account = await chooseAccount(binaries.postgres, directory, cluster);
  if (account.owner !== undefined) await chown(key, account.owner.uid, account.owner.gid);

  const free = createServer().listen(0, '127.0.0.1');
  await until(() => free.listening);
  const { port } = free.address() as { port: number };
  await new Promise((resolve) => free.close(resolve));
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `port=${port}`,
    'ssl=on',
    `ssl_cert_file=${certificate}`,
    `ssl_key_file=${key}`,
  ];
  const args = ['-D', cluster, ...settings.flatMap((setting) => ['-c', setting])];
  const child = guarded(account, binaries.postgres, args, 'stop');
  t.after(async () => {
    child.signal('INT');
    await child.exited;
  });
  const connection = { host: '127.0.0.1', port, user, password, database };
  await (await connectDatabase({ connection, poolSize: 1, waitMs: 30_000 })).close();
  return { ca: await readFile(certificate, 'utf8'), connection };
}
