import { type Kysely, sql } from 'kysely';
import { auditOperations } from '../../domain/audit/operations.ts';
import { schemaOf } from '../../infra/database/projection.ts';
import { boundsOf, maxKeptRows, partitionName } from './partitions.ts';
import { partsIn } from './parts-in.ts';
import { audit } from './projection.ts';
import type { AuditDatabase } from './tables.ts';

type Db = Kysely<AuditDatabase>;

/** What a purge takes next. */
export interface PurgeSlice {
  /** How many rows there are before `until`. */
  readonly rows: number;
  readonly until: Date;
}

/**
 * The oldest rows of the type that are from `from` on and before `before`: about `limit`, and all of one moment; undefined
 * where there are none.
 */
export async function purgeSlice(
  db: Db,
  type: string,
  { from, before, limit }: { readonly from: Date | null; readonly before: Date; readonly limit: number },
): Promise<PurgeSlice | undefined> {
  const rowsBefore = (end: Date) => sql`
    FROM ${db.selectFrom('entries').selectAll()} e
    WHERE e.type = ${type} AND e.at >= coalesce(${from}::timestamptz, '-infinity') AND e.at < ${end}`;
  const { rows: ends } = await sql<{ last: Date | null }>`
    SELECT max(at) AS last FROM (SELECT at ${rowsBefore(before)} ORDER BY at, id LIMIT ${limit}) oldest`.execute(
    db,
  );
  const last = ends[0]?.last;
  if (!last) return undefined;
  // Times have whole milliseconds here.
  const until = new Date(last.getTime() + 1);
  const { rows: counts } = await sql<{
    rows: string;
  }>`SELECT count(*) AS rows ${rowsBefore(until)}`.execute(db);
  return { rows: Number(counts[0]?.rows ?? 0), until };
}

export interface PurgeMonth {
  readonly rows: number;
  readonly from: Date;
  readonly until: Date;
}

/** A month with fewer rows to take goes row by row. */
const minMonthRows = 5000;
/** While somebody reads for longer, as a backup does, nothing is dropped. */
const longRead = '10 s';

/**
 * The first month from `from` on, and wholly before `before`, of which these operations have many rows and all others few,
 * so that it is dropped and those are written anew; undefined where there is none.
 */
export async function purgeMonth(
  db: Db,
  operations: readonly string[],
  {
    from,
    before,
    counted,
  }: { readonly from: Date | null; readonly before: Date; readonly counted: readonly string[] },
): Promise<PurgeMonth | undefined> {
  const schema = schemaOf(audit);
  const others = auditOperations.filter((operation) => !operations.includes(operation));
  for (const part of await partsIn(db)) {
    const bounds = boundsOf(part);
    if (bounds.from === null || bounds.until === null) continue;
    if (bounds.until > before || (from !== null && bounds.from < from)) continue;
    const table = sql.table(`${schema}.${partitionName(part)}`);
    const { rows } = await sql<{ rows: string; counted: string; kept: string; is_read: boolean }>`
      SELECT
        (SELECT count(*) FROM ${table} WHERE type = ANY (${[...operations]}::text[])) AS rows,
        (SELECT count(*) FROM ${table} WHERE type = ANY (${[...counted]}::text[])) AS counted,
        (SELECT count(*) FROM (
          SELECT FROM unnest(${others}::text[]) AS t(type), LATERAL (
            SELECT FROM ${table} e WHERE e.type = t.type COLLATE "C" LIMIT ${maxKeptRows + 1}
          ) e LIMIT ${maxKeptRows + 1}) few) AS kept,
        EXISTS (
          SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
          WHERE l.relation = ${`${schema}.entries`}::regclass
            AND a.xact_start < now() - ${longRead}::interval) AS is_read`.execute(db);
    const [found] = rows;
    if (found === undefined || found.is_read) return undefined;
    if (Number(found.rows) >= minMonthRows && Number(found.kept) <= maxKeptRows)
      return { rows: Number(found.counted), from: bounds.from, until: bounds.until };
  }
  return undefined;
}
