import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { catalogue, currentVersion } from '../domain/catalogue.ts';
import type { DomainEvent } from '../domain/event.ts';
import { connectDatabase, type Database } from '../infra/database/connect.ts';
import type { PostgresConnection } from '../infra/database/embedded-postgres.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { openNamelessLog } from './nameless-log.ts';
import { startPostgres } from './postgres.ts';
import { startServer, type TestServer } from './server.ts';
import { startTcpProxy } from './tcp-proxy.ts';
import { until } from './until.ts';

export interface Gateways {
  readonly one: TestServer;
  readonly other: TestServer;
  /** The folder that holds the blobs of both. */
  readonly blobs: string;
  /** What makes a process one of the same installation. */
  readonly environment: NodeJS.ProcessEnv;
  /** The process id of their PostgreSQL. */
  postgresPid(): number;
  /** Takes their database away, until the function that it resolves to is called. */
  cut(): Promise<() => Promise<void>>;
  readonly connection: PostgresConnection;
  /** Their log, as a third process opens it. */
  openLog(): Promise<EventLog>;
  /** Appends an event as a third process; resolves when the views show it, which is when its client is answered. */
  record(stream: string, event: DomainEvent): Promise<void>;
}

/** Two servers on one database and one folder of blobs. */
export async function startGateways(t: TestContext, more: NodeJS.ProcessEnv = {}): Promise<Gateways> {
  const postgres = await startPostgres(t);
  const connection = postgres.connection();
  const way = await startTcpProxy(t, { path: join(connection.host, `.s.PGSQL.${connection.port}`) });
  const blobs = await mkdtemp(join(tmpdir(), 'shiplog-shared-'));
  const environment = {
    SHIPLOG_EXTERNAL_DATABASE_HARBOR_HOST: '127.0.0.1',
    SHIPLOG_EXTERNAL_DATABASE_HARBOR_PORT: String(way.port),
    SHIPLOG_EXTERNAL_DATABASE_HARBOR_DB_NAME: connection.database,
    SHIPLOG_EXTERNAL_DATABASE_HARBOR_USERNAME: connection.user,
    SHIPLOG_EXTERNAL_DATABASE_HARBOR_PASSWORD: connection.password,
    SHIPLOG_STORAGE_SERVICE_FILESYSTEM_ROOTDIRECTORY: blobs,
    SHIPLOG_HARBOR_ADMIN_PASSWORD: 'Shiplog12345',
    ...more,
    SHIPLOG_SECRET_KEY: more.SHIPLOG_SECRET_KEY ?? 'the same for both gateways',
  };
  const one = await startServer(t, { environment });
  const other = await startServer(t, { environment });
  t.after(() => rm(blobs, { recursive: true, force: true }));
  let third: Promise<{ readonly log: EventLog; readonly database: Database }> | undefined;
  async function openThird() {
    const database = await connectDatabase({ connection, poolSize: 4, waitMs: 30_000 });
    t.after(() => database.close());
    const log = await openNamelessLog(t, connection, environment.SHIPLOG_SECRET_KEY);
    return { log, database };
  }
  const inThird = () => {
    third ??= openThird();
    return third;
  };
  return {
    one,
    other,
    blobs,
    connection,
    environment,
    postgresPid: () => postgres.server.pid(),
    cut: way.cut,
    openLog: async () => (await inThird()).log,
    async record(stream, { type, data }) {
      const { log, database } = await inThird();
      const version = currentVersion(catalogue, type);
      const event = { id: newEventId(), type, version, data, metadata: { actor: 'user:admin' } };
      const position = await log.append(stream, 'any', [event]);
      await until('the views show it', async () => {
        const { rows } = await database.pool.query('SELECT min(position) AS position FROM views.checkpoints');
        return rows[0]?.position >= position;
      });
    },
  };
}
