import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { openFilesystemStore } from '../infra/blob-store/filesystem.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import { openS3Store } from '../infra/blob-store/s3.ts';
import { postgresPool } from '../infra/configuration/postgres-pool.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import { holdDataDirectory } from '../infra/data-directory/data-directory.ts';
import { DataDirectoryHeld } from '../infra/data-directory/hold.ts';
import { connectDatabase, type Database } from '../infra/database/connect.ts';
import {
  type PostgresConnection,
  runningPostgres,
  startEmbeddedPostgres,
} from '../infra/database/embedded-postgres.ts';
import { openEventStoreLog } from '../infra/event-log/eventstoredb.ts';
import { openJetStreamLog } from '../infra/event-log/jetstream.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { openPostgresLog } from '../infra/event-log/postgres.ts';
import { eventStoreOptions, jetStreamOptions, s3Settings } from './settings.ts';

/** How long a start waits for a database that is not there yet, in milliseconds. */
const databaseWaitMs = 60_000;

/** The engines, open. */
export interface Foundation {
  readonly log: EventLog;
  readonly views: Database;
  /** Closes in reverse order what was opened. */
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly configuration: Configuration;
  readonly logger: Logger;
  /** A server owns its data directory; a tool shares the PostgreSQL of a server that runs. */
  readonly as: 'server' | 'tool';
}

type Close = () => Promise<unknown>;

/** Opens the databases and the event log. @throws DataDirectoryHeld for a second server on one data directory. */
export async function openFoundation({ configuration, logger, as }: OpenOptions): Promise<Foundation> {
  const closers: Close[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.reverse().splice(0)) await closer();
  };
  try {
    const builtIn = await openBuiltInPostgres(configuration, logger, as, closers);
    const connect = async (purpose: 'views' | 'log'): Promise<Database> => {
      const { pool } = await postgresPool(configuration, purpose);
      const { connectionString, max = 10 } = pool;
      const target = builtIn
        ? { connection: builtIn(`shiplog_${purpose}`) }
        : connectionString === undefined
          ? { connection: { ...pool, database: pool.database ?? 'shiplog' } }
          : { url: connectionString };
      const database = await connectDatabase({
        ...target,
        poolSize: max,
        applicationName: `shiplog ${purpose}`,
        waitMs: databaseWaitMs,
        createIfMissing: true,
        onWait: (message) => logger.warn(message),
      });
      closers.push(() => database.close());
      return database;
    };
    const views = await connect('views');
    const log = await openLog(configuration, () => connect('log'));
    closers.push(() => log.close());
    return { log, views, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Where the data directory holds the databases: how to reach each by name; undefined where they are elsewhere. */
async function openBuiltInPostgres(
  configuration: Configuration,
  logger: Logger,
  as: OpenOptions['as'],
  closers: Close[],
): Promise<((database: string) => PostgresConnection) | undefined> {
  const { builtIn } = await postgresPool(configuration, 'views');
  const directory = join(resolve(configuration.data), 'postgres');
  try {
    const hold = await holdDataDirectory(configuration.data, {
      description: `${as === 'server' ? 'a server' : 'a tool'} for ${configuration.hostname}`,
      onLost: (error) => logger.fatal(error),
    });
    closers.push(() => hold.release());
  } catch (error) {
    if (as === 'server' || !(error instanceof DataDirectoryHeld)) throw error;
    return builtIn ? runningPostgres(directory) : undefined;
  }
  if (!builtIn) return undefined;
  const postgres = await startEmbeddedPostgres({ directory, logger });
  closers.push(() => postgres.stop());
  return postgres.connection;
}

async function openLog({ event_log }: Configuration, connect: () => Promise<Database>): Promise<EventLog> {
  switch (event_log.engine) {
    case 'postgres':
      return openPostgresLog(await connect());
    case 'jetstream':
      return openJetStreamLog(await jetStreamOptions(required(event_log.jetstream)));
    case 'eventstoredb':
      return openEventStoreLog(eventStoreOptions(required(event_log.eventstoredb)));
  }
}

export function openStore({ data, storage_service }: Configuration): Promise<BlobStore> {
  const { filesystem, s3 } = storage_service;
  if (s3 !== undefined) return openS3Store(s3Settings(s3));
  return openFilesystemStore({ directory: filesystem?.rootdirectory ?? join(resolve(data), 'blobs') });
}

/** The configuration's own rules have refused an engine without its section. */
function required<Section>(section: Section | undefined): Section {
  if (section === undefined) throw new Error('the engine of the event log has no section of its own');
  return section;
}
