import type { QueryResultRow } from 'pg';
import type { Database } from '../database/connect.ts';
import { isBeingBuilt } from '../database/projection.ts';
import type { JobRow, JobRows } from './port.ts';

const schema = `
  SELECT pg_advisory_xact_lock(hashtextextended('shiplog.job_rows', 0));
  CREATE SCHEMA IF NOT EXISTS job_rows;
  CREATE TABLE IF NOT EXISTS job_rows.rows (
    task_id integer NOT NULL,
    number integer NOT NULL,
    row text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (task_id, number)
  );
  CREATE INDEX IF NOT EXISTS rows_at ON job_rows.rows (at)`;

/** The rows in a table beside the views. */
export function postgresJobRows({ pool }: Pick<Database, 'pool'>): JobRows {
  /** The table is made when it is needed first, and again by who has dropped the views' database. */
  async function ask<Row extends QueryResultRow>(text: string, values: readonly unknown[]) {
    try {
      return await pool.query<Row>(text, [...values]);
    } catch (error) {
      if (!isBeingBuilt(error)) throw error;
      await pool.query(schema);
      return pool.query<Row>(text, [...values]);
    }
  }

  return {
    async replace(taskId, rows) {
      // As text, since JSON in a column of its own type cannot hold every string.
      await ask(
        `WITH gone AS (DELETE FROM job_rows.rows WHERE task_id = $1 AND number > $3)
         INSERT INTO job_rows.rows (task_id, number, row)
         SELECT $1, number, row FROM unnest($2::text[]) WITH ORDINALITY AS given(row, number)
         ON CONFLICT (task_id, number) DO UPDATE SET row = excluded.row, at = now()`,
        [taskId, rows.map((row) => JSON.stringify(row)), rows.length],
      );
    },

    async read(taskId, after, limit) {
      const { rows } = await ask<{ number: number; row: string }>(
        'SELECT number, row FROM job_rows.rows WHERE task_id = $1 AND number > $2 ORDER BY number LIMIT $3',
        [taskId, after, limit],
      );
      return rows.map(({ number, row }): JobRow => ({ number, row: JSON.parse(row) }));
    },

    async forgetBefore(time) {
      await ask('DELETE FROM job_rows.rows WHERE at < $1', [time]);
    },
  };
}
