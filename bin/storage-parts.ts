import type { StoragePorts } from '../gateway/api/storage.ts';
import type { ViewDatabase } from '../infra/database/projection.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { Views } from '../infra/views/port.ts';
import { artifacts } from '../projections/artifacts/projection.ts';
import { blobs } from '../projections/blobs/projection.ts';
import { listBlobReferences } from '../projections/blobs/references.ts';
import { explainUsage, usageBy, usageByArtifact } from '../projections/storage/explanation.ts';
import { storage } from '../projections/storage/projection.ts';
import type { Current } from './api-parts.ts';

/** What tells what is stored, and why. */
export function storageParts(
  { log, views }: { readonly log: Pick<EventLog, 'head'>; readonly views: Pick<Views, 'reached'> },
  kysely: ViewDatabase,
  current: Current,
): StoragePorts {
  return {
    explainUsage: current(explainUsage.bind(undefined, kysely)),
    usageBy: current(usageBy.bind(undefined, kysely)),
    usageByArtifact: current(usageByArtifact.bind(undefined, kysely)),
    listBlobReferences: current(listBlobReferences.bind(undefined, kysely)),
    // No push waits for all of them, so who asks does.
    reached: async () => views.reached(await log.head(), [artifacts, blobs, storage]),
  };
}
