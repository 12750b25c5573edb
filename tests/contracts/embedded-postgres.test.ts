import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { DataDirectoryHeld } from '../../infra/data-directory/hold.ts';
import { commandLine, isRunning } from '../../infra/data-directory/process.ts';
import {
  type EmbeddedPostgres,
  type PostgresConnection,
  startEmbeddedPostgres,
} from '../../infra/database/embedded-postgres.ts';
import { PostgresUnusable } from '../../infra/database/postgres-binaries.ts';
import { clusterName, serverProcesses } from '../../infra/database/postgres-orphans.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { type Script, startScript } from './script.ts';

async function start(t: TestContext, directory: string, logged: string[] = []): Promise<EmbeddedPostgres> {
  const add = (message: string) => void logged.push(message);
  const logger = { info: add, warn: add, error: add };
  const postgres = await startEmbeddedPostgres({ directory, logger });
  t.after(() => postgres.stop());
  return postgres;
}

/** PostgreSQL below another process, which can be killed. */
async function startBelow(t: TestContext, directory: string) {
  const parent = startScript(t, 'run-postgres.ts', [directory]);
  const started = await readStart(parent);
  assert.ok(started.pid !== undefined && started.connection !== undefined, started.error);
  return { parent, pid: started.pid, connection: started.connection };
}

async function readStart(parent: Script) {
  return JSON.parse(await parent.line()) as {
    pid?: number;
    connection?: PostgresConnection;
    error?: string;
  };
}

async function query(connection: PostgresConnection, statement: string): Promise<unknown[]> {
  const client = new pg.Client(connection);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query({ text: statement, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

/** Repeats the query until it succeeds. */
async function queryInTheEnd(connection: PostgresConnection, statement: string): Promise<unknown[]> {
  for (;;) {
    try {
      return await query(connection, statement);
    } catch {
      await delay(20);
    }
  }
}

/** All processes that belong to the PostgreSQL in `directory`: guards, initdb, postmaster and its children. */
async function processesOf(directory: string): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0 && pid !== process.pid);
  // initdb tells the programs that it starts of the directory in their environment.
  const environment = (pid: number) => readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  const named: number[] = [];
  for (const pid of pids) {
    const belongs = commandLine(pid)?.includes(directory) || (await environment(pid)).includes(directory);
    if (belongs && isRunning(pid)) named.push(pid);
  }
  return [...named, ...(await serverProcesses(clusterName(join(directory, 'cluster'))))];
}

async function untilNoProcessOf(directory: string): Promise<void> {
  while ((await processesOf(directory)).length > 0) await delay(20);
}

/** PostgreSQL's processes can only be told from others by their command lines in /proc. */
function needsProc(t: TestContext): boolean {
  if (process.platform === 'linux') return true;
  t.skip('this test reads /proc, which only Linux has');
  return false;
}

function needsRoot(t: TestContext): boolean {
  if (process.platform === 'linux' && process.getuid?.() === 0) return true;
  t.skip('this test is about root, and is not run as root on Linux');
  return false;
}

const installedPackage = (): string => {
  const embedded = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  return dirname(dirname(embedded.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)));
};

test('what is committed is there after a stop and a start, and a stop leaves no process', async (t) => {
  const directory = await temporaryDirectory();
  const first = await start(t, directory);
  await query(first.connection('postgres'), 'create table kept as select 42 as answer');
  await first.stop();
  await first.stop();
  assert.equal(await first.exited, undefined);
  if (process.platform === 'linux') assert.deepEqual(await processesOf(directory), []);

  const second = await start(t, directory);
  assert.deepEqual(await query(second.connection('postgres'), 'select answer from kept'), [42]);
});

test('PostgreSQL listens on a private Unix socket only, and its password is private', async (t) => {
  if (process.platform === 'win32') return t.skip('Windows has no Unix sockets here');
  const directory = await temporaryDirectory();
  const postgres = await start(t, directory);
  const connection = postgres.connection('postgres');
  assert.deepEqual(await query(connection, 'show listen_addresses'), ['']);
  assert.equal((await stat(connection.host)).mode & 0o777, 0o700);
  assert.equal((await stat(join(directory, 'password'))).mode & 0o777, 0o600);
  await assert.rejects(query({ ...connection, password: 'guess' }, 'select 1'), { code: '28P01' });
});

test('text sorts by code point', async (t) => {
  const postgres = await start(t, await temporaryDirectory());
  const statement = "select tag from unnest(array['b', 'a', 'B', 'é', '10', '9']) as tag order by tag";
  const sorted = await query(postgres.connection('postgres'), statement);
  assert.deepEqual(sorted, ['10', '9', 'B', 'a', 'b', 'é']);
});

test('kill -9 of the parent leaves no process, and nothing that was committed is lost', async (t) => {
  if (!needsProc(t)) return;
  const directory = await temporaryDirectory();
  const { parent, connection } = await startBelow(t, directory);
  await query(connection, 'create table kept as select 42 as answer');
  await parent.kill();
  await untilNoProcessOf(directory);

  const postgres = await start(t, directory);
  assert.deepEqual(await query(postgres.connection('postgres'), 'select answer from kept'), [42]);
});

test('a start right after kill -9 of the parent waits for the old PostgreSQL to be gone', async (t) => {
  const directory = await temporaryDirectory();
  for (let round = 0; round < 3; round++) {
    const { parent, connection } = await startBelow(t, directory);
    await query(connection, `create table round${round} as select 1`);
    await parent.kill();
  }
  const postgres = await start(t, directory);
  const tables = "select count(*)::int from pg_tables where tablename like 'round_'";
  assert.deepEqual(await query(postgres.connection('postgres'), tables), [3]);
});

test('a PostgreSQL that lost its parent and its guard is stopped by the next start', async (t) => {
  if (!needsProc(t)) return;
  const directory = await temporaryDirectory();
  const { parent, pid } = await startBelow(t, directory);
  // Stopped first, so that it does not notice the end of the guard and start PostgreSQL again.
  parent.process.kill('SIGSTOP');
  for (const guard of await processesOf(directory)) {
    if (commandLine(guard)?.includes('shiplog-postgres-guard')) process.kill(guard, 'SIGKILL');
  }
  await parent.kill();
  assert.ok(isRunning(pid));

  const logged: string[] = [];
  const postgres = await start(t, directory, logged);
  assert.ok(
    logged.some((message) => message.includes(`left behind (process ${pid})`)),
    logged.join('\n'),
  );
  assert.ok(!isRunning(pid));
  assert.deepEqual(await query(postgres.connection('postgres'), 'select 1'), [1]);
});

test('a pid file whose pid another program got meanwhile does not keep PostgreSQL from starting', async (t) => {
  const directory = await temporaryDirectory();
  await (await start(t, directory)).stop();
  const cluster = join(directory, 'cluster');
  const { uid } = await stat(cluster);
  // Of the same user as PostgreSQL, since that is what PostgreSQL itself would take for a running server.
  const other = spawn('sleep', ['60'], process.getuid?.() === 0 ? { uid } : {});
  t.after(() => other.kill());
  await writeFile(join(cluster, 'postmaster.pid'), `${other.pid}\n${cluster}\n`);
  await start(t, directory);
});

test('kill -9 of the postmaster: it is started again under the same address, and nothing is lost', async (t) => {
  const directory = await temporaryDirectory();
  const logged: string[] = [];
  const postgres = await start(t, directory, logged);
  const connection = postgres.connection('postgres');
  await query(connection, 'create table kept as select 42 as answer');
  for (let round = 0; round < 2; round++) {
    const before = postgres.pid();
    process.kill(before, 'SIGKILL');
    while (isRunning(before)) await delay(5);
    assert.deepEqual(await queryInTheEnd(connection, 'select answer from kept'), [42]);
    while (postgres.pid() === before) await delay(5);
  }
  assert.ok(logged.some((message) => message.includes('starting it again')));
});

test('kill -9 of a backend: the server recovers by itself', async (t) => {
  const directory = await temporaryDirectory();
  const postgres = await start(t, directory);
  const connection = postgres.connection('postgres');
  const pid = postgres.pid();
  const client = new pg.Client(connection);
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query('select pg_backend_pid() as pid');
  process.kill(rows[0].pid, 'SIGKILL');
  await assert.rejects(client.query('select 1'));
  assert.deepEqual(await queryInTheEnd(connection, 'select 1'), [1]);
  assert.equal(postgres.pid(), pid);
});

test('kill -9 of the guard: PostgreSQL is started again below a new one', async (t) => {
  if (!needsProc(t)) return;
  const directory = await temporaryDirectory();
  const postgres = await start(t, directory);
  const before = postgres.pid();
  for (const guard of await processesOf(directory)) {
    if (commandLine(guard)?.includes('shiplog-postgres-guard')) process.kill(guard, 'SIGKILL');
  }
  while (postgres.pid() === before) await delay(10);
  assert.deepEqual(await query(postgres.connection('postgres'), 'select 1'), [1]);
  assert.ok(!isRunning(before));
});

test('a stop is not held up by a PostgreSQL that cannot start again', async (t) => {
  const directory = await temporaryDirectory();
  const logged: string[] = [];
  const postgres = await start(t, directory, logged);
  const control = join(directory, 'cluster', 'global', 'pg_control');
  await rename(control, `${control}.away`);
  process.kill(postgres.pid(), 'SIGKILL');
  while (!logged.some((message) => message.includes('did not start'))) await delay(10);
  await postgres.stop();
  await rename(`${control}.away`, control);
  await start(t, directory);
});

test('a failed start quotes the log', async (t) => {
  const directory = await temporaryDirectory();
  await (await start(t, directory)).stop();
  await rename(join(directory, 'cluster', 'global'), join(directory, 'cluster', 'elsewhere'));
  const error = await start(t, directory).catch((thrown) => thrown);
  assert.ok(error instanceof PostgresUnusable);
  assert.match(error.message, /did not start on .*cluster.*pg_control/s);
});

test('kill -9 during initdb leaves nothing half-made, and no process', async (t) => {
  if (!needsProc(t)) return;
  const directory = await temporaryDirectory();
  for (let round = 0; round < 8; round++) {
    const parent = startScript(t, 'run-postgres.ts', [directory]);
    // From before initdb starts to after it has ended, wherever that is on this machine.
    // The parent itself is one of them, from its command line.
    while ((await processesOf(directory)).length < 2) await delay(5);
    await delay(Math.random() * 700);
    await parent.kill();
  }
  await untilNoProcessOf(directory);
  const postgres = await start(t, directory);
  assert.deepEqual(await query(postgres.connection('postgres'), 'select 1'), [1]);
  const left = (await readdir(directory)).filter((entry) => entry.startsWith('cluster.'));
  assert.deepEqual(left, []);
});

test('kill -9 at any moment of a start leaves no process, and the next start works', async (t) => {
  if (!needsProc(t)) return;
  const directory = await temporaryDirectory();
  await (await start(t, directory)).stop();
  for (let round = 0; round < 10; round++) {
    const parent = startScript(t, 'run-postgres.ts', [directory]);
    // The parent itself is one of them, from its command line.
    while ((await processesOf(directory)).length < 2) await delay(1);
    await delay(Math.random() * 100);
    await parent.kill();
    if (round % 2 === 0) await untilNoProcessOf(directory);
  }
  const postgres = await start(t, directory);
  assert.deepEqual(await query(postgres.connection('postgres'), 'select 1'), [1]);
});

test('of two that start on one directory one is refused, and the other is not disturbed', async (t) => {
  const directory = await temporaryDirectory();
  const results = await Promise.allSettled([start(t, directory), start(t, directory)]);
  const started = results.filter((result) => result.status === 'fulfilled');
  const refused = results.filter((result) => result.status === 'rejected');
  assert.equal(started.length, 1);
  assert.ok(refused[0]?.reason instanceof DataDirectoryHeld);
  const connection = started[0]?.value.connection('postgres');
  assert.ok(connection);
  assert.deepEqual(await query(connection, 'select 1'), [1]);
  await assert.rejects(start(t, directory), DataDirectoryHeld);
  assert.deepEqual(await query(connection, 'select 1'), [1]);
});

test('a path that is too long for a socket gets one elsewhere, which goes with the server', async (t) => {
  if (process.platform === 'win32') return t.skip('Windows has no Unix sockets here');
  const directory = join(
    await temporaryDirectory(),
    'long-'.repeat(12),
    'path-'.repeat(12),
    'it\'s a, "name"',
  );
  const { parent, connection } = await startBelow(t, directory);
  assert.ok(!connection.host.startsWith(directory));
  assert.equal((await stat(connection.host)).mode & 0o777, 0o700);
  assert.deepEqual(await query(connection, 'select 1'), [1]);
  await parent.kill();

  const postgres = await start(t, directory);
  const { host } = postgres.connection('postgres');
  assert.equal(host, connection.host, 'the folder of before is used again, or it would be left behind');
  assert.deepEqual(await query(postgres.connection('postgres'), 'select 1'), [1]);
  await postgres.stop();
  await assert.rejects(stat(host), { code: 'ENOENT' });
});

test('root runs PostgreSQL from and in folders that only root can pass', async (t) => {
  if (!needsRoot(t)) return;
  const secluded = await temporaryDirectory(); // 0700, as mkdtemp makes it
  const packageFolder = join(secluded, 'package');
  await cp(installedPackage(), packageFolder, { recursive: true, verbatimSymlinks: true });
  const postgres = await startEmbeddedPostgres({ directory: join(secluded, 'data'), packageFolder });
  t.after(() => postgres.stop());
  const connection = postgres.connection('postgres');
  assert.deepEqual(await query(connection, 'select 1'), [1]);
  process.kill(postgres.pid(), 'SIGKILL');
  assert.deepEqual(await queryInTheEnd(connection, 'select 1'), [1]);
  await postgres.stop();
  assert.deepEqual(await processesOf(secluded), []);
});

test('root with no right but to override permissions, as in a container, runs it there as well', async (t) => {
  if (!needsRoot(t)) return;
  const secluded = await temporaryDirectory();
  const drop = ['setpriv', '--bounding-set=-dac_read_search', '--'];
  const parent = startScript(t, 'run-postgres.ts', [join(secluded, 'data')], drop);
  const started = await readStart(parent);
  assert.ok(started.connection, started.error);
  assert.deepEqual(await query(started.connection, 'select 1'), [1]);
  parent.process.stdin?.end();
  await untilNoProcessOf(secluded);
});

test('root that cannot let PostgreSQL pass is told the folder and what to do', async (t) => {
  if (!needsRoot(t)) return;
  const secluded = await temporaryDirectory();
  const drop = ['setpriv', '--bounding-set=-dac_read_search,-dac_override', '--'];
  const { error = '' } = await readStart(startScript(t, 'run-postgres.ts', [join(secluded, 'data')], drop));
  assert.ok(error.startsWith('PostgresUnusable: '), error);
  // The first closed folder on the way: the data's, or where the clone lies in a closed one itself, the binaries'.
  const [, folder = ''] = /cannot use (\S+):/.exec(error) ?? [];
  assert.equal((await stat(folder)).mode & 0o001, 0, error);
  assert.match(error, /chmod o\+x/);
});

test('data of another major version is refused with both versions', async (t) => {
  const directory = await temporaryDirectory();
  await mkdir(join(directory, 'cluster'));
  await writeFile(join(directory, 'cluster', 'PG_VERSION'), '15\n');
  const error = await start(t, directory).catch((thrown) => thrown);
  assert.ok(error instanceof PostgresUnusable);
  assert.match(error.message, /of PostgreSQL 15, .* brings PostgreSQL 18/);
});

test('a folder that is no cluster is left alone', async (t) => {
  const directory = await temporaryDirectory();
  await mkdir(join(directory, 'cluster'));
  await writeFile(join(directory, 'cluster', 'precious'), '');
  await assert.rejects(start(t, directory), /is no PostgreSQL cluster/);
  assert.deepEqual(await readdir(join(directory, 'cluster')), ['precious']);
});
