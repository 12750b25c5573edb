import { randomUUID } from 'node:crypto';
import { collectGarbage } from '../commands/collect-garbage.ts';
import { foreseeCollection } from '../commands/foresee-collection.ts';
import type { CollectGarbage } from '../commands/garbage.ts';
import type { Recorder } from '../commands/record.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import { aloneIn } from '../infra/database/alone.ts';
import type { Database } from '../infra/database/connect.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { Views } from '../infra/views/port.ts';
import { garbageCollection, type RunGarbageCollection } from '../workers/collect-garbage.ts';
import { contentsOf, foresightOf, garbageOf } from './contents.ts';

export interface GarbageEngines {
  readonly log: EventLog;
  readonly record: Recorder;
  readonly store: BlobStore;
  readonly database: Database;
  readonly views: Views;
}

export const garbageSettings = ({ garbage_collection }: Configuration): CollectGarbage => ({
  dryRun: false,
  graceHours: garbage_collection.grace_hours,
  untagged: garbage_collection.untagged,
  untaggedGraceHours: garbage_collection.untagged_grace_hours,
  delayHours: garbage_collection.delay_hours,
  orphanHours: garbage_collection.orphan_hours,
});

/** The collector of garbage on its engines. */
export function garbageCollector(engines: GarbageEngines): RunGarbageCollection {
  const { record, store, database } = engines;
  const contents = contentsOf(engines);
  const garbage = garbageOf(engines);
  const foresight = foresightOf(engines);
  return garbageCollection({
    record,
    collect: (watching) =>
      collectGarbage({ record, store, contents, garbage, newCondemnation: randomUUID, ...watching }),
    foresee: (watching) => {
      const foresee = foreseeCollection({ garbage, contents, foresight, store, ...watching });
      return (settings, stopping) => foresee({ ...settings, toTheEnd: false }, stopping);
    },
    alone: aloneIn(database, 'collect-garbage'),
    newRunId: randomUUID,
  });
}
