import type { Database } from '../database/connect.ts';
import { ownTables } from '../database/own-tables.ts';
import type { JobJournal, LogLine, TaskProgress } from './port.ts';

const schema = `
  SELECT pg_advisory_xact_lock(hashtextextended('shiplog.jobs', 0));
  CREATE SCHEMA IF NOT EXISTS jobs;
  CREATE TABLE IF NOT EXISTS jobs.log_lines (
    task_id integer NOT NULL,
    line bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    level text NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (task_id, line)
  );
  CREATE TABLE IF NOT EXISTS jobs.progress (
    task_id integer PRIMARY KEY,
    stage text NOT NULL,
    done double precision NOT NULL,
    total double precision,
    bytes double precision,
    total_bytes double precision,
    stage_at timestamptz NOT NULL DEFAULT now(),
    stage_done double precision NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
  )`;

const channel = 'shiplog_job_journal';

interface LineRow {
  readonly line: bigint;
  readonly at: Date;
  readonly level: string;
  readonly text: string;
}

interface ProgressRow {
  readonly task_id: number;
  readonly stage: string;
  readonly done: number;
  readonly total: number | null;
  readonly bytes: number | null;
  readonly total_bytes: number | null;
  readonly stage_at: Date;
  readonly stage_done: number;
  readonly at: Date;
}

/** The journal in tables beside the views, which are there when it is used first. */
export function openPostgresJournal({ pool, listen }: Pick<Database, 'pool' | 'listen'>): JobJournal {
  const { ask } = ownTables(pool, schema);

  return {
    async write(taskId, lines, progress) {
      if (lines.length > 0)
        await ask(
          `INSERT INTO jobs.log_lines (task_id, at, level, text)
           SELECT $1, at, level, text FROM unnest($2::timestamptz[], $3::text[], $4::text[])
             WITH ORDINALITY AS t(at, level, text, n) ORDER BY n`,
          [
            ...[taskId, lines.map(({ at }) => at), lines.map(({ level }) => level)],
            lines.map(({ text }) => storable(text)),
          ],
        );
      if (progress !== undefined) {
        const { stage, done, total = null, bytes = null, totalBytes = null } = progress;
        await ask(
          `INSERT INTO jobs.progress AS old (task_id, stage, done, total, bytes, total_bytes, stage_done)
           VALUES ($1, $2, $3, $4, $5, $6, $3)
           ON CONFLICT (task_id) DO UPDATE SET stage = $2, done = $3, total = $4, bytes = $5, total_bytes = $6,
             stage_at = CASE WHEN old.stage = $2 AND old.done <= $3 THEN old.stage_at ELSE now() END,
             stage_done = CASE WHEN old.stage = $2 AND old.done <= $3 THEN old.stage_done ELSE $3 END,
             at = now()`,
          [taskId, storable(stage), done, total, bytes, totalBytes],
        );
      }
      await ask('SELECT pg_notify($1, $2)', [channel, String(taskId)]);
    },

    async read(taskId, after, limit) {
      const { rows } = await ask<LineRow>(
        'SELECT line, at, level, text FROM jobs.log_lines WHERE task_id = $1 AND line > $2 ORDER BY line LIMIT $3',
        [taskId, after, limit],
      );
      return rows satisfies readonly LogLine[];
    },

    async count(taskId, limit) {
      const { rows } = await ask<{ lines: number }>(
        'SELECT count(*)::int AS lines FROM (SELECT FROM jobs.log_lines WHERE task_id = $1 LIMIT $2) some',
        [taskId, limit],
      );
      return rows[0]?.lines ?? 0;
    },

    async progressOf(taskIds) {
      const { rows } = await ask<ProgressRow>('SELECT * FROM jobs.progress WHERE task_id = ANY ($1::int[])', [
        taskIds,
      ]);
      return new Map(rows.map((row) => [row.task_id, progressIn(row)]));
    },

    async forget(taskIds) {
      for (const table of ['log_lines', 'progress'])
        await ask(`DELETE FROM jobs.${table} WHERE task_id = ANY ($1::int[])`, [taskIds]);
    },

    onWritten: (written) => listen(channel, (payload) => written(Number(payload))),
  };
}

/** What a text column can hold. */
const storable = (text: string): string => text.replaceAll('\0', '\uFFFD').toWellFormed();

const progressIn = (row: ProgressRow): TaskProgress => ({
  stage: row.stage,
  done: row.done,
  total: row.total ?? undefined,
  bytes: row.bytes ?? undefined,
  totalBytes: row.total_bytes ?? undefined,
  stageAt: row.stage_at,
  stageDone: row.stage_done,
  at: row.at,
});
