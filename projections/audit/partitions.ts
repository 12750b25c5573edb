import { type RawBuilder, sql } from 'kysely';
import type { OwnTables } from '../../infra/database/projection.ts';

/*
 * The entries lie in one partition a month, by UTC, which are made when they are needed. What a wrong clock says is of a
 * time before 2020 or from 2100 on lies in two more, so that their number is bounded.
 */

const [firstYear, endYear] = [2020, 2100];

/** A month as `2026_01`, or where else an entry of that time lies. */
export type Part = string;

export function partOf(at: Date): Part {
  const year = at.getUTCFullYear();
  if (year < firstYear) return 'early';
  if (year >= endYear) return 'late';
  return `${year}_${String(at.getUTCMonth() + 1).padStart(2, '0')}`;
}

export const partitionName = (part: Part): string => `entries_${part}`;

/** From and until when; null for no bound. */
export function boundsOf(part: Part): { readonly from: Date | null; readonly until: Date | null } {
  if (part === 'early') return { from: null, until: new Date(Date.UTC(firstYear, 0)) };
  if (part === 'late') return { from: new Date(Date.UTC(endYear, 0)), until: null };
  const [year = 0, month = 0] = part.split('_').map(Number);
  return { from: new Date(Date.UTC(year, month - 1)), until: new Date(Date.UTC(year, month)) };
}

/** The month that is exactly from the one time until the other, where there is such a one. */
export function monthWithin(from: Date, until: Date): Part | undefined {
  const part = partOf(from);
  const bounds = boundsOf(part);
  return bounds.from?.getTime() === from.getTime() && bounds.until?.getTime() === until.getTime()
    ? part
    : undefined;
}

/**
 * Makes those that are not there. They are made apart and attached then, which waits for no reader, and no reader for it;
 * their indexes come with that.
 */
export const makePartitions = (
  own: Pick<OwnTables, 'table'>,
  parts: readonly Part[],
): RawBuilder<unknown> => sql`
  DO $make$ BEGIN
    ${sql.join(
      parts.map((part) => {
        const partition = own.table(partitionName(part));
        return sql`
    IF to_regclass('${partition}') IS NULL THEN
      CREATE TABLE ${partition} (LIKE ${own.table('entries')});
      ${attach(own, part)}
    END IF;`;
      }),
      sql``,
    )}
  END $make$`;

const attach = (own: Pick<OwnTables, 'table'>, part: Part): RawBuilder<unknown> => {
  const { from, until } = boundsOf(part);
  const low = from === null ? 'MINVALUE' : `'${from.toISOString()}'`;
  const high = until === null ? 'MAXVALUE' : `'${until.toISOString()}'`;
  return sql`ALTER TABLE ${own.table('entries')} ATTACH PARTITION ${own.table(partitionName(part))}
        FOR VALUES FROM (${sql.raw(low)}) TO (${sql.raw(high)});`;
};

/** What is kept of a month is written anew when the rest goes, where it is no more than this. */
export const maxKeptRows = 20_000;
/** How long that waits for those who read. Milliseconds. */
const lockWaitMs = 500;

/**
 * Takes the entries of these operations from a whole month: by dropping it, and writing anew what is kept, where that is
 * little and nobody reads for long; by deleting them otherwise. The rows are the same after it.
 */
export const emptyMonth = (
  own: Pick<OwnTables, 'table'>,
  part: Part,
  operations: readonly string[],
): RawBuilder<unknown> => {
  const partition = own.table(partitionName(part));
  const rest = own.table(`${partitionName(part)}_rest`);
  const gone = sql.raw(
    `ARRAY[${operations.map((name) => `'${name.replaceAll("'", "''")}'`).join(', ')}]::text[]`,
  );
  return sql`
  DO $empty$ DECLARE kept text[]; BEGIN
    IF to_regclass('${partition}') IS NULL THEN RETURN; END IF;
    -- Which there are, by an index and not by reading all rows.
    WITH RECURSIVE found(type) AS (
      SELECT min(type) FROM ${partition}
      UNION ALL
      SELECT (SELECT min(type) FROM ${partition} p WHERE p.type > found.type) FROM found WHERE found.type IS NOT NULL
    ) SELECT coalesce(array_agg(type), '{}') INTO kept FROM found WHERE type IS NOT NULL AND type <> ALL (${gone});
    BEGIN
      IF (SELECT count(*) FROM (SELECT FROM ${partition} WHERE type = ANY (kept) LIMIT ${sql.raw(String(maxKeptRows + 1))}) few)
        > ${sql.raw(String(maxKeptRows))} THEN RAISE lock_not_available; END IF;
      SET LOCAL lock_timeout = ${sql.raw(String(lockWaitMs))};
      LOCK TABLE ONLY ${own.table('entries')}, ONLY ${partition} IN ACCESS EXCLUSIVE MODE;
      SET LOCAL lock_timeout TO DEFAULT;
      CREATE TABLE ${rest} (LIKE ${own.table('entries')});
      INSERT INTO ${rest} SELECT * FROM ${partition} WHERE type = ANY (kept);
      DROP TABLE ${partition};
      ALTER TABLE ${rest} RENAME TO ${sql.ref(partitionName(part))};
      ${attach(own, part)}
    EXCEPTION WHEN lock_not_available THEN
      SET LOCAL lock_timeout TO DEFAULT;
      DELETE FROM ${partition} WHERE type = ANY (${gone});
    END;
  END $empty$`;
};
