import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { connectDatabase, type Database } from '../../infra/database/connect.ts';
import { runningPostgres, startEmbeddedPostgres } from '../../infra/database/embedded-postgres.ts';
import type { EventLog } from '../../infra/event-log/port.ts';
import { openPostgresLog } from '../../infra/event-log/postgres.ts';
import type { TestServer } from '../server.ts';
import type { Scope } from './bench.ts';

export interface PostgresUnderTest {
  readonly log: EventLog;
  /** Where the log is, and beside it whatever a bench creates. */
  connect(poolSize: number): Promise<Database>;
}

/** The event log on an embedded PostgreSQL of its own, as a server opens it. */
export async function startPostgresLog(scope: Scope): Promise<PostgresUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'shiplog-bench-'));
  scope.after(() => rm(directory, { recursive: true, force: true }));
  const postgres = await startEmbeddedPostgres({ directory });
  scope.after(() => postgres.stop());
  const connect = async (poolSize: number): Promise<Database> => {
    const database = await connectDatabase({
      connection: postgres.connection('shiplog_log'),
      createIfMissing: true,
      poolSize,
      waitMs: 30_000,
    });
    scope.after(() => database.close());
    return database;
  };
  const log = await openPostgresLog(await connect(10));
  scope.after(() => log.close());
  return { log, connect };
}

type Beside = Pick<TestServer, 'dataDirectory'>;

async function connectBeside({ dataDirectory }: Beside, name: string): Promise<Database> {
  const connection = await runningPostgres(join(dataDirectory, 'postgres'));
  return connectDatabase({ connection: connection(name), poolSize: 4, waitMs: 10_000 });
}

/** Has the statistics of a server's views gathered. */
export async function analyzeBeside(server: Beside): Promise<void> {
  const database = await connectBeside(server, 'shiplog_views');
  await sql`ANALYZE`.execute(database.kysely);
  await database.close();
}

/** Records beside a server, in its own log. */
export async function recordBeside(server: Beside, record: (log: EventLog) => Promise<void>): Promise<void> {
  const database = await connectBeside(server, 'shiplog_log');
  const log = await openPostgresLog(database);
  await record(log);
  await log.close();
  await database.close();
}
