import type { FastifyBaseLogger } from 'fastify';
import { type QuotaKeeper, quotaKeeper } from '../commands/keep-quotas.ts';
import { observeQuotas } from '../commands/observe-quotas.ts';
import type { Recorder } from '../commands/record.ts';
import type { BackgroundRecorder } from '../commands/record-in-background.ts';
import { setQuota } from '../commands/set-quota.ts';
import type { Digest } from '../domain/digest.ts';
import { unlimited } from '../domain/quota/decider.ts';
import type { QuotaPorts } from '../gateway/api/quotas.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import { aloneIn } from '../infra/database/alone.ts';
import type { Database } from '../infra/database/connect.ts';
import { schemaOf, type ViewDatabase } from '../infra/database/projection.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { quotaLedger } from '../infra/quota-claims/ledger.ts';
import type { Limit } from '../infra/quota-claims/port.ts';
import { postgresClaims } from '../infra/quota-claims/postgres.ts';
import { type Views, ViewsBehind } from '../infra/views/port.ts';
import { quotas } from '../projections/quotas/projection.ts';
import {
  findQuota,
  findUntoldQuotas,
  listQuotas,
  type Quota,
  quotasAfter,
} from '../projections/quotas/queries.ts';
import { storage } from '../projections/storage/projection.ts';
import { keepWatchingQuotas, type WatchingQuotas } from '../workers/watch-quotas.ts';
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

/**
 * What a project may hold, where that is bounded. A project without a word on it is not one without a limit: the view may
 * have stopped, or not come to a project that was made a moment ago. @throws ViewsBehind
 */
export function limitReader({
  isEnabled,
  findLimit,
  findLimitNow,
  shown,
}: {
  isEnabled(): Promise<boolean>;
  findLimit(project: string): Promise<Limit | undefined>;
  /** Not from the cache. */
  findLimitNow(project: string): Promise<Limit | undefined>;
  /** Resolves when the view shows all that is recorded. @throws ViewsBehind */
  shown(): Promise<void>;
}): QuotaReads['limitOf'] {
  async function findNow(project: string): Promise<Limit> {
    await shown();
    const limit = await findLimitNow(project);
    if (limit === undefined) throw new ViewsBehind(`it is not known what the project ${project} may hold`);
    return limit;
  }
  return async (project) => {
    if (!(await isEnabled())) return undefined;
    const limit = (await findLimit(project)) ?? (await findNow(project));
    return limit.bytes === unlimited ? undefined : limit;
  };
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

/** In one answer of the database. */
const measuredAtOnce = 10_000;

/** The quotas of all projects, for who measures them. */
export const quotaReader = (kysely: ViewDatabase, current: Current) => {
  const list = current(quotasAfter.bind(undefined, kysely));
  return async (): Promise<readonly Quota[]> => {
    const all: Quota[] = [];
    for (;;) {
      const part = await list(all.at(-1)?.projectId ?? 0, measuredAtOnce);
      all.push(...part);
      if (part.length < measuredAtOnce) return all;
    }
  };
};

export interface WatchingEngines {
  readonly record: Recorder;
  readonly database: Pick<Database, 'kysely'>;
  /** Has a connection to spare, which holds the lock of who watches. */
  readonly lockDatabase: Database;
  readonly logger: Pick<FastifyBaseLogger, 'warn'>;
  configuration(): Promise<{ readonly quota_per_project_enable: boolean }>;
}

/** Says what there is to say of quotas, in one process of all; see `observeQuotas`. */
export function watchQuotas(
  { record, database, lockDatabase, logger, configuration }: WatchingEngines,
  current: Current,
): WatchingQuotas {
  const findUntold = current(findUntoldQuotas.bind(undefined, database.kysely));
  return keepWatchingQuotas({
    alone: aloneIn(lockDatabase, 'watch-quotas'),
    isEnabled: async () => (await configuration()).quota_per_project_enable,
    observe: observeQuotas({ record, findUntold }),
    logger,
  });
}
