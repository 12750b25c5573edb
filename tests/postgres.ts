import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import pg from 'pg';
import {
  type EmbeddedPostgres,
  type PostgresConnection,
  startEmbeddedPostgres,
} from '../infra/database/embedded-postgres.ts';

/** A database of its own on the PostgreSQL of this test process. */
export interface TestPostgres {
  /** To the fresh database, or to `database` on the same server. */
  connection(database?: string): PostgresConnection;
  readonly server: EmbeddedPostgres;
}

let server: Promise<EmbeddedPostgres> | undefined;
let directory: string | undefined;
let databases = 0;

// Registered on import, where it belongs to the file and not to the test that happens to be first.
after(async () => {
  await (await server)?.stop();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

/**
 * A fresh, empty database. All tests of a file share one PostgreSQL, which is started for the first of them; a test
 * that stops or kills PostgreSQL starts one of its own.
 */
export async function startPostgres(t: TestContext): Promise<TestPostgres> {
  server ??= startServer();
  const running = await server;
  await dropFinished(running);
  const name = `test_${++databases}`;
  await administer(running, `create database ${name}`);
  t.after(() => finished.add(name));
  return { server: running, connection: (database = name) => running.connection(database) };
}

/** Databases of tests that have ended; dropped later, since a test closes its connections after this one's `after`. */
const finished = new Set<string>();

async function dropFinished(running: EmbeddedPostgres): Promise<void> {
  for (const name of finished) {
    finished.delete(name);
    try {
      await administer(running, `drop database ${name} with (force)`);
    } catch (error) {
      // It goes with the server at the latest.
      process.emitWarning(`${name} is left: ${(error as Error).message}`);
    }
  }
}

async function startServer(): Promise<EmbeddedPostgres> {
  directory = await mkdtemp(join(tmpdir(), 'shiplog-test-'));
  return startEmbeddedPostgres({ directory });
}

async function administer(running: EmbeddedPostgres, statement: string): Promise<void> {
  const client = new pg.Client(running.connection('postgres'));
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
