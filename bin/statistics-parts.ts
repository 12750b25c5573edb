import type { StatisticsPorts } from '../gateway/api/statistics.ts';
import { type ViewDatabase, viewOf } from '../infra/database/projection.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { Views } from '../infra/views/port.ts';
import { type RepositoriesDatabase, repositories } from '../projections/repositories/projection.ts';
import { countContents } from '../projections/repositories/queries.ts';
import { type StorageDatabase, storage } from '../projections/storage/projection.ts';
import { storedBytes } from '../projections/storage/queries.ts';
import type { Current } from './api-parts.ts';

/** What the statistics ask the views. */
export function statisticsParts(
  { log, views }: { readonly log: Pick<EventLog, 'head'>; readonly views: Pick<Views, 'reached'> },
  kysely: ViewDatabase,
  current: Current,
): StatisticsPorts {
  const inRepositories = viewOf<RepositoriesDatabase>(kysely, repositories);
  return {
    countContents: current((projectIds?: readonly number[]) => countContents(inRepositories, projectIds)),
    storedBytes: current(async () => {
      // No push waits for this view, so who asks does.
      await views.reached(await log.head(), [storage]);
      return storedBytes(viewOf<StorageDatabase>(kysely, storage));
    }),
  };
}
