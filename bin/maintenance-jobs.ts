import { foreseeCollection } from '../commands/foresee-collection.ts';
import { reportDamage } from '../commands/report-damage.ts';
import { viewOf } from '../infra/database/projection.ts';
import { type ArtifactsDatabase, artifacts } from '../projections/artifacts/projection.ts';
import { measureStoredManifests } from '../projections/artifacts/queries.ts';
import { type BlobsDatabase, blobs } from '../projections/blobs/projection.ts';
import { measureStoredBlobs } from '../projections/blobs/queries.ts';
import { cleanUpJob } from '../workers/clean-up-job.ts';
import type { GarbageRun } from '../workers/collect-garbage.ts';
import { garbageJob } from '../workers/collect-garbage-job.ts';
import { foreseeGarbageJob } from '../workers/foresee-garbage-job.ts';
import type { AnyJobHandler } from '../workers/job.ts';
import { purgeAuditLogJob } from '../workers/purge-audit-log-job.ts';
import { scrubJob } from '../workers/scrub-job.ts';
import { auditPurge } from './audit-parts.ts';
import { contentsOf, currentIn, foresightOf, garbageOf } from './contents.ts';
import { garbageCollector, garbageSettings } from './garbage.ts';
import type { HandlerEngines } from './job-handlers.ts';
import { storedContents } from './scrub.ts';

/** Who keeps what is stored in order. @param onGarbageRun is told of every run of this process. */
export function maintenanceJobs(
  { configuration, log, ports: { record }, store, database, views, results }: HandlerEngines,
  onGarbageRun?: (run: GarbageRun) => void,
): readonly AnyJobHandler[] {
  const settings = garbageSettings(configuration);
  const contents = contentsOf({ database, views });
  const garbage = garbageOf({ log, database, views });
  const foresight = foresightOf({ database, views });
  const inArtifacts = viewOf<ArtifactsDatabase>(database.kysely, artifacts);
  const inBlobs = viewOf<BlobsDatabase>(database.kysely, blobs);
  return [
    garbageJob({
      collect: garbageCollector({ log, record, store, database, views }),
      settings,
      ...(onGarbageRun !== undefined && { onRun: onGarbageRun }),
    }),
    foreseeGarbageJob({
      foresee: (watching) => foreseeCollection({ garbage, contents, foresight, store, ...watching }),
      ...{ settings, results },
    }),
    purgeAuditLogJob({
      purge: auditPurge({ record, views }, { kysely: database.kysely, current: currentIn(views) }),
    }),
    cleanUpJob({
      ...{ store, garbage, orphanHours: settings.orphanHours },
      uploadAgeMs: configuration.upload_purging.age,
    }),
    scrubJob({
      ...{ store, results },
      contentsAfter: storedContents(database),
      damaged: reportDamage({ record, contents }),
      async measure() {
        const all = await Promise.all([measureStoredBlobs(inBlobs), measureStoredManifests(inArtifacts)]);
        return {
          items: all.reduce((sum, { items }) => sum + items, 0),
          bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
        };
      },
    }),
  ];
}
