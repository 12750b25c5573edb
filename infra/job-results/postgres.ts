import type { Database } from '../database/connect.ts';
import { ownTables } from '../database/own-tables.ts';
import { inTransaction } from '../database/transaction.ts';
import type { JobResults } from './port.ts';

const schema = `
  SELECT pg_advisory_xact_lock(hashtextextended('shiplog.job_results', 0));
  CREATE SCHEMA IF NOT EXISTS job_results;
  CREATE TABLE IF NOT EXISTS job_results.tasks (
    task_id integer PRIMARY KEY,
    rows integer NOT NULL,
    kept_at timestamptz NOT NULL
  );
  ALTER TABLE job_results.tasks ADD COLUMN IF NOT EXISTS basis text NOT NULL DEFAULT '';
  CREATE INDEX IF NOT EXISTS tasks_by_time ON job_results.tasks (kept_at);
  CREATE TABLE IF NOT EXISTS job_results.rows (
    task_id integer NOT NULL,
    place integer NOT NULL,
    row text NOT NULL,
    PRIMARY KEY (task_id, place)
  )`;

const rowsAtOnce = 500;

/** `undefined_column`: the tables are those of an older version. */
const isOlder = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === '42703';

/** The results in tables beside the views, which are made when they are first asked for. */
export function postgresResults({ pool }: Pick<Database, 'pool'>): JobResults {
  const { ask, make } = ownTables(pool, schema, isOlder);

  return {
    async replace(taskId, rows, basis = '') {
      // Before it is known whether the rows can be read twice.
      await make();
      return inTransaction(pool, async (client) => {
        // Of two that do the same task the later one waits, and counts.
        await client.query(`SELECT pg_advisory_xact_lock(hashtextextended('shiplog.job_results', $1))`, [
          taskId,
        ]);
        await client.query('DELETE FROM job_results.rows WHERE task_id = $1', [taskId]);
        let kept = 0;
        let some: string[] = [];
        const keep = async (): Promise<void> => {
          await client.query(
            `INSERT INTO job_results.rows (task_id, place, row)
             SELECT $1, $2 + n, row FROM unnest($3::text[]) WITH ORDINALITY AS t(row, n)`,
            [taskId, kept, some],
          );
          kept += some.length;
          some = [];
        };
        for await (const row of rows) if (some.push(JSON.stringify(row)) === rowsAtOnce) await keep();
        if (some.length > 0) await keep();
        await client.query(
          `INSERT INTO job_results.tasks (task_id, rows, kept_at, basis) VALUES ($1, $2, $3, $4)
           ON CONFLICT (task_id) DO UPDATE
             SET rows = excluded.rows, kept_at = excluded.kept_at, basis = excluded.basis`,
          [taskId, kept, new Date(), basis],
        );
        return kept;
      });
    },

    async count(taskId) {
      const { rows } = await ask<{ rows: number }>('SELECT rows FROM job_results.tasks WHERE task_id = $1', [
        taskId,
      ]);
      return rows[0]?.rows;
    },

    async basisOf(taskId) {
      const { rows } = await ask<{ kept_at: Date; basis: string }>(
        'SELECT kept_at, basis FROM job_results.tasks WHERE task_id = $1',
        [taskId],
      );
      const [row] = rows;
      return row && { keptAt: row.kept_at, basis: row.basis };
    },

    async read(taskId, after, limit) {
      const { rows } = await ask<{ place: number; row: string }>(
        'SELECT place, row FROM job_results.rows WHERE task_id = $1 AND place > $2 ORDER BY place LIMIT $3',
        [taskId, after, limit],
      );
      return rows.map(({ place, row }) => ({ place, row: JSON.parse(row) }));
    },

    async write(taskId, changed, keptAt) {
      await ask(
        `UPDATE job_results.rows stored SET row = given.row
         FROM unnest($2::integer[], $3::text[]) AS given(place, row)
         WHERE stored.task_id = $1 AND stored.place = given.place
           AND EXISTS (SELECT FROM job_results.tasks WHERE task_id = $1 AND kept_at = $4)`,
        [
          ...[taskId, changed.map(({ place }) => place), changed.map(({ row }) => JSON.stringify(row))],
          keptAt,
        ],
      );
    },

    async forget(taskIds) {
      await ask(
        `WITH gone AS (DELETE FROM job_results.rows WHERE task_id = ANY ($1::integer[]))
         DELETE FROM job_results.tasks WHERE task_id = ANY ($1::integer[])`,
        [taskIds],
      );
    },

    async sweep(before, limit) {
      const { rows } = await ask<{ swept: string }>(
        `WITH old AS (
           SELECT task_id FROM job_results.tasks WHERE kept_at < $1 ORDER BY kept_at LIMIT $2
         ), gone AS (
           DELETE FROM job_results.rows WHERE task_id IN (SELECT task_id FROM old)
         ), swept AS (
           DELETE FROM job_results.tasks WHERE task_id IN (SELECT task_id FROM old) RETURNING task_id
         ) SELECT count(*) AS swept FROM swept`,
        [before, limit],
      );
      return Number(rows[0]?.swept ?? 0);
    },
  };
}
