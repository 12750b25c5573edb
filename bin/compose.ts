import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { openFilesystemStore } from '../infra/blob-store/filesystem.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import { openS3Store } from '../infra/blob-store/s3.ts';
import { type DatabaseOptions, databaseOptions } from '../infra/configuration/database-options.ts';
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
import { secretBox } from '../infra/secrets/aes-gcm.ts';
import { keyFromFile } from '../infra/secrets/key-file.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import { namelessLog } from '../infra/user-names/nameless-log.ts';
import type { UserNames } from '../infra/user-names/port.ts';
import { openUserNames } from '../infra/user-names/postgres.ts';
import { eventStoreOptions, jetStreamOptions, s3Settings } from './settings.ts';

/** The engines, open. */
export interface Foundation {
  readonly log: EventLog;
  readonly secrets: SecretBox;
  readonly userNames: UserNames;
  readonly views: Database;
  /** More connections to the views' database, for what must not wait for requests. */
  connectViews(applicationName: string, poolSize: number): Promise<Database>;
  /** Resolves when an engine that this process runs is lost for good. */
  readonly failed: Promise<Error>;
  /** Closes in reverse order what was opened. */
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly configuration: Configuration;
  readonly logger: Logger;
  /**
   * A server owns its data directory; a tool shares the PostgreSQL of a server that runs, or owns the directory while it
   * is at work; a worker never does, since a server may come.
   */
  readonly as: 'server' | 'tool' | 'worker';
}

/** Opens the databases and the event log. @throws DataDirectoryHeld for a second server on one data directory. */
export async function openFoundation(options: OpenOptions): Promise<Foundation> {
  const { configuration, logger } = options;
  await using opening = new AsyncDisposableStack();
  const { promise: failed, resolve: fail } = Promise.withResolvers<Error>();
  const builtIn = await openBuiltInPostgres(options, opening, fail);

  const connect = async (purpose: 'views' | 'log', more: object = {}): Promise<Database> => {
    const options = await databaseOptions(configuration, purpose);
    const database = await connectDatabase({
      ...options,
      ...(isBuiltIn(options) && builtIn !== undefined && { connection: builtIn(`shiplog_${purpose}`) }),
      applicationName: `shiplog ${purpose}`,
      createIfMissing: true,
      onWait: (message) => logger.warn(message),
      ...more,
    });
    return database;
  };
  const views = opening.adopt(await connect('views'), (database) => database.close());
  const logDatabase =
    configuration.event_log.engine === 'postgres'
      ? opening.adopt(await connect('log'), (database) => database.close())
      : undefined;
  const engine = await openLog(configuration, logDatabase);
  opening.defer(() => engine.close());
  // Beside the events where it can be, so that who drops the views does not lose them.
  const secrets = await openSecretBox(configuration);
  const userNames = await openUserNames(logDatabase ?? views, secrets);
  const log = namelessLog(engine, userNames);

  const open = opening.move();
  const connectViews: Foundation['connectViews'] = (applicationName, poolSize) =>
    connect('views', { applicationName, poolSize });
  return { log, secrets, userNames, views, connectViews, failed, close: () => open.disposeAsync() };
}

/** Where the data directory holds the databases: how to reach each by name; undefined where they are elsewhere. */
async function openBuiltInPostgres(
  { configuration, logger, as }: OpenOptions,
  opening: AsyncDisposableStack,
  fail: (error: Error) => void,
): Promise<((database: string) => PostgresConnection) | undefined> {
  const builtIn = isBuiltIn(await databaseOptions(configuration, 'views'));
  const directory = join(resolve(configuration.data), 'postgres');
  if (as === 'worker') return builtIn ? runningPostgres(directory) : undefined;
  try {
    const description = as === 'server' ? `serving ${configuration.hostname}` : 'a tool of Shiplog';
    const hold = await holdDataDirectory(configuration.data, { description, onLost: fail });
    opening.defer(() => hold.release());
  } catch (error) {
    if (as === 'server' || !(error instanceof DataDirectoryHeld)) throw error;
    return builtIn ? runningPostgres(directory) : undefined;
  }
  if (!builtIn) return undefined;
  const postgres = await startEmbeddedPostgres({ directory, logger });
  opening.defer(() => postgres.stop());
  void postgres.exited.then((error) => error && fail(error));
  return postgres.connection;
}

async function openLog({ event_log }: Configuration, database: Database | undefined): Promise<EventLog> {
  switch (event_log.engine) {
    case 'postgres':
      return openPostgresLog(required(database));
    case 'jetstream':
      return openJetStreamLog(await jetStreamOptions(required(event_log.jetstream)));
    case 'eventstoredb':
      return openEventStoreLog(eventStoreOptions(required(event_log.eventstoredb)));
  }
}

export async function openStore({ data, storage_service }: Configuration): Promise<BlobStore> {
  const { filesystem, s3, ca_bundle } = storage_service;
  if (s3 !== undefined) return openS3Store(await s3Settings(s3, ca_bundle));
  return openFilesystemStore({ directory: filesystem?.rootdirectory ?? join(resolve(data), 'blobs') });
}

/** The box that the installation's secret key opens. @throws SecretKeyUnusable */
async function openSecretBox({ data, secret_key }: Configuration): Promise<SecretBox> {
  return secretBox(secret_key?.reveal() ?? (await keyFromFile(join(resolve(data), 'secret-key'))));
}

/** The configuration's own rules have refused an engine without its section. */
function required<Section>(section: Section | undefined): Section {
  if (section === undefined) throw new Error('the engine of the event log has no section of its own');
  return section;
}

const isBuiltIn = ({ url, connection }: DatabaseOptions): boolean =>
  url === undefined && connection === undefined;
