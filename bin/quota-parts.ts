import type { FastifyBaseLogger } from 'fastify';
import { type QuotaKeeper, quotaKeeper } from '../commands/keep-quotas.ts';
import { observeQuotas } from '../commands/observe-quotas.ts';
import type { Recorder } from '../commands/record.ts';
import type { BackgroundRecorder } from '../commands/record-in-background.ts';
import { setQuota } from '../commands/set-quota.ts';
import type { Digest } from '../domain/digest.ts';
import type { QuotaPorts } from '../gateway/api/quotas.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import type { Database } from '../infra/database/connect.ts';
import { schemaOf, type ViewDatabase } from '../infra/database/projection.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { quotaLedger } from '../infra/quota-claims/ledger.ts';
import type { Limit } from '../infra/quota-claims/port.ts';
import { postgresClaims } from '../infra/quota-claims/postgres.ts';
import type { Views } from '../infra/views/port.ts';
import { quotas } from '../projections/quotas/projection.ts';
import { findQuota, findUntoldQuotas, listQuotas } from '../projections/quotas/queries.ts';
import { storage } from '../projections/storage/projection.ts';
import type { Current } from './api-parts.ts';

export interface QuotaEngines {
  readonly log: Pick<EventLog, 'head'>;
  readonly store: Pick<BlobStore, 'delete'>;
  readonly background: BackgroundRecorder;
  readonly database: Database;
  readonly views: Views;
  readonly logger: FastifyBaseLogger;
  /** What claims of this process are known by; see `succeedHolder`. */
  readonly quotaHolder: string;
  /** Is called before the database is closed. */
  atEnd(work: () => Promise<void>): void;
}

/** Between two warnings of the same; milliseconds. */
const warningsMs = 10_000;

export interface QuotaReads {
  /** What the project may hold, where that is bounded. */
  limitOf(project: string): Promise<Limit | undefined>;
  findBlob(repository: string, digest: Digest): Promise<{ readonly size: number } | undefined>;
}

/** What lets a push pass only where its project has room. */
export function quotaParts(engines: QuotaEngines, { limitOf, findBlob }: QuotaReads): QuotaKeeper {
  const { log, store, background, database, views, logger, quotaHolder, atEnd } = engines;
  let warnedAt = Number.NEGATIVE_INFINITY;
  const table = (name: string) => `${schemaOf(storage)}.${name}`;
  const ledger = quotaLedger({
    claims: postgresClaims(database, {
      holder: quotaHolder,
      usages: table('usages'),
      shares: table('shares'),
    }),
    limitOf,
    async shown(position) {
      views.requireCurrent();
      await views.reached(position ?? (await log.head()), [storage]);
    },
    onError(error) {
      // It tries again every second, for each project.
      if (performance.now() - warnedAt < warningsMs) return;
      warnedAt = performance.now();
      logger.warn({ err: error }, 'what is claimed of quotas cannot be told now');
    },
  });
  atEnd(() => ledger.close());
  return quotaKeeper({ ledger, store, background, limitOf, findBlob, now: () => performance.now() });
}

/** What the management API asks of quotas. */
export function quotaApiParts(
  { log, record, views }: { log: Pick<EventLog, 'head'>; record: Recorder; views: Views },
  kysely: ViewDatabase,
  current: Current,
): QuotaPorts {
  return {
    findQuota: current(findQuota.bind(undefined, kysely)),
    listQuotas: current(listQuotas.bind(undefined, kysely)),
    setQuota: setQuota({ record }),
    // No push waits for these views, so who asks does.
    reached: async (position) => views.reached(position ?? (await log.head()), [quotas, storage]),
  };
}

/** The quotas of all projects, for who measures them. */
export const quotaReader = (kysely: ViewDatabase, current: Current) => {
  const list = current(listQuotas.bind(undefined, kysely));
  return async () => (await list({ filters: [], sort: [], offset: 0, limit: undefined })).rows;
};

/** Says what there is to say of quotas; see `observeQuotas`. */
export const quotaObserver = (record: Recorder, kysely: ViewDatabase, current: Current) =>
  observeQuotas({ record, findUntold: current(findUntoldQuotas.bind(undefined, kysely)) });
