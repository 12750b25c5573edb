import { join, resolve } from 'node:path';
import type { Redis } from 'ioredis';
import type { SystemPorts } from '../gateway/api/system.ts';
import { urlOf } from '../gateway/auth/challenge.ts';
import { type Dependencies, healthOf } from '../gateway/health.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import { diskOf } from '../infra/data-directory/disk.ts';
import { certificatesIn } from '../infra/data-directory/root-certificate.ts';
import type { Database } from '../infra/database/connect.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { Views } from '../infra/views/port.ts';
import { storageProviderOf } from './configuration-parts.ts';
import { harborVersion } from './version.ts';

export interface SystemEngines {
  readonly log: Pick<EventLog, 'head'>;
  readonly views: Pick<Views, 'requireCurrent' | 'status'>;
  readonly database: Pick<Database, 'pool'>;
  readonly store: Pick<BlobStore, 'check'>;
  readonly redis: Redis | undefined;
  isReady(): boolean;
}

/** Harbor's place for the certificate that its users download, in the data directory. */
const certificatePlace = join('ca_download', 'ca.crt');

/** What tells how the system is. */
export function systemParts(configuration: Configuration, engines: SystemEngines): SystemPorts {
  const { hostname, http, external_url } = configuration;
  const data = resolve(configuration.data);
  return {
    health: healthOf(componentsOf(engines)),
    harborVersion,
    storageProvider: storageProviderOf(configuration),
    urlFor: urlOf({ externalUrl: external_url, hostname: `${hostname}:${http.port}` }),
    volume: () => diskOf(data),
    rootCertificate: () => certificatesIn(join(data, certificatePlace)),
  };
}

/** Harbor's components, each asked for what does its work here. */
function componentsOf({ log, views, database, store, redis, isReady }: SystemEngines): Dependencies {
  const requireReady = (): void => {
    if (!isReady()) throw new Error('the views are being brought up to date');
  };
  return {
    core: async () => {
      requireReady();
      views.requireCurrent();
      await log.head();
    },
    database: async () => void (await database.pool.query('SELECT 1')),
    // What works in the background follows the log, and so do the views.
    jobservice: async () => {
      requireReady();
      const stopped = (await views.status()).filter(({ stoppedAt }) => stoppedAt !== null);
      if (stopped.length > 0) throw new Error(`stopped: ${stopped.map(({ name }) => name).join(', ')}`);
    },
    // Comes from this process.
    portal: async () => undefined,
    // Without one, what it would do is done in this process.
    redis: async () => void (await redis?.ping()),
    registry: store.check,
    registryctl: store.check,
  };
}
