import type { Kysely } from 'kysely';
import type { JobKind } from '../../domain/execution/kinds.ts';
import { countOf, filtered, pageOf } from '../list-page.ts';
import { type Columns, type Listing, orderOf, type Page } from '../listing.ts';
import type { SchedulesDatabase } from './projection.ts';

export interface Schedule {
  readonly scheduleId: number;
  readonly kind: JobKind;
  readonly vendorId: number;
  /** Hourly, Daily, Weekly or Custom. */
  readonly type: string;
  readonly cron: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly updatedAt: Date;
  /** Nothing at this time or before is due any more: `nextTime` after it is the next time. */
  readonly doneUpTo: Date;
  /** What it started last. */
  readonly executionId: number | undefined;
  /** When it was due last while that was running. */
  readonly skippedAt: Date | undefined;
}

/** The one schedule of a kind of work for a policy or the like. */
export async function scheduleOf(
  db: Kysely<SchedulesDatabase>,
  kind: JobKind,
  vendorId: number,
): Promise<Schedule | undefined> {
  const row = await db
    .selectFrom('schedules')
    .selectAll()
    .where('kind', '=', kind)
    .where('vendor_id', '=', vendorId)
    .executeTakeFirst();
  return row && scheduleIn(row);
}

/** Every schedule, in the order of their numbers. */
export async function allSchedules(
  db: Kysely<SchedulesDatabase>,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<readonly Schedule[]> {
  const rows = await db
    .selectFrom('schedules')
    .selectAll()
    .where('schedule_id', '>', after)
    .orderBy('schedule_id')
    .limit(limit)
    .execute();
  return rows.map(scheduleIn);
}

/** The keys that lists of schedules are filtered and sorted by. */
const columns: Columns = {
  id: { column: 'schedule_id', type: 'integer' },
  vendortype: { column: 'kind', type: 'text' },
  vendorid: { column: 'vendor_id', type: 'integer' },
  cron: { column: 'cron', type: 'text' },
  updatetime: { column: 'updated_at', type: 'time' },
};

export async function listSchedules(
  db: Kysely<SchedulesDatabase>,
  listing: Listing,
): Promise<Page<Schedule>> {
  const all = filtered(db.selectFrom('schedules'), listing.filters, columns);
  const page = all.selectAll().orderBy(orderOf(listing, columns, ['schedule_id']));
  // Some a project at most.
  const { rows, total } = await pageOf(page, countOf(all), listing);
  return { rows: rows.map(scheduleIn), total };
}

const scheduleIn = (row: SchedulesDatabase['schedules']): Schedule => ({
  scheduleId: row.schedule_id,
  kind: row.kind as JobKind,
  vendorId: row.vendor_id,
  type: row.type,
  cron: row.cron,
  parameters: JSON.parse(row.parameters),
  updatedAt: row.updated_at,
  doneUpTo: row.done_up_to,
  executionId: row.execution_id ?? undefined,
  skippedAt: row.skipped_at ?? undefined,
});
