import { type Kysely, sql } from 'kysely';
import type { ExecutionsDatabase } from './projection.ts';

/** What the first task of an execution has come to, which is the only one for work that is done in one go. */
export interface FirstTask {
  readonly taskId: number;
  readonly executionId: number;
  readonly jobId: string;
  /** Why it, or its last attempt, has failed. */
  readonly message: string;
  /** Undefined before its end. */
  readonly result: Readonly<Record<string, unknown>> | undefined;
}

/** By the numbers of the executions. */
export async function firstTasks(
  db: Kysely<ExecutionsDatabase>,
  executionIds: readonly number[],
): Promise<ReadonlyMap<number, FirstTask>> {
  if (executionIds.length === 0) return new Map();
  const rows = await db
    .selectFrom('tasks')
    .distinctOn('execution_id')
    .select(['execution_id', 'task_id', 'job_id', 'message', 'result'])
    .where('execution_id', '=', sql<number>`ANY (${[...executionIds]}::int[])`)
    .orderBy('execution_id')
    .orderBy('task_id')
    .execute();
  return new Map(
    rows.map((row) => [
      row.execution_id,
      {
        taskId: row.task_id,
        executionId: row.execution_id,
        jobId: row.job_id,
        message: row.message,
        result: row.result === null ? undefined : JSON.parse(row.result),
      },
    ]),
  );
}
