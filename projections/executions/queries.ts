import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import type { Trigger } from '../../domain/execution/decider.ts';
import type { JobKind } from '../../domain/execution/kinds.ts';
import { countOf, filtered, pageOf } from '../list-page.ts';
import { type Columns, type Listing, maxRows, orderOf, type Page } from '../listing.ts';
import type { ExecutionsDatabase, Status } from './projection.ts';

/** How many tasks of an execution there are of each status. */
export interface TaskCounts {
  readonly pending: number;
  readonly scheduled: number;
  readonly running: number;
  readonly success: number;
  readonly error: number;
  readonly stopped: number;
}

export interface Execution {
  readonly executionId: number;
  readonly kind: JobKind;
  readonly vendorId: number;
  readonly trigger: Trigger;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** What its tasks are, together. */
  readonly status: Status;
  readonly tasks: TaskCounts;
  readonly stopRequested: boolean;
  readonly startedAt: Date;
  readonly updatedAt: Date;
  /** When the last of its tasks ended; undefined before. */
  readonly endedAt: Date | undefined;
}

export interface Task {
  readonly taskId: number;
  readonly executionId: number;
  readonly jobId: string;
  readonly kind: JobKind;
  readonly vendorId: number;
  readonly key: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** `Scheduled` while it waits for another attempt. */
  readonly status: Status;
  /** How often it was begun. */
  readonly attempts: number;
  readonly stopRequested: boolean;
  /** Why it, or its last attempt, has failed. */
  readonly message: string;
  /** What its handler said of what it did; undefined before its end. */
  readonly result: Readonly<Record<string, unknown>> | undefined;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly startedAt: Date | undefined;
  readonly endedAt: Date | undefined;
}

/** What a list of executions is of; a kind or several, and one policy or the like, or all. */
export interface OfVendor {
  readonly kind: JobKind | readonly JobKind[];
  readonly vendorId?: number;
}

const status = sql<Status>`CASE
  WHEN pending + scheduled + running > 0 THEN
    CASE WHEN running + success + error + stopped > 0 THEN 'Running'
      WHEN scheduled > 0 THEN 'Scheduled' ELSE 'Pending' END
  WHEN error > 0 THEN 'Error' WHEN stopped > 0 THEN 'Stopped' ELSE 'Success' END`;

/** The keys that lists of executions are filtered and sorted by. */
const executionColumns: Columns = {
  id: { column: 'execution_id', type: 'integer' },
  vendortype: { column: 'kind', type: 'text' },
  vendorid: { column: 'vendor_id', type: 'integer' },
  status: { column: 'status', type: 'text' },
  trigger: { column: 'trigger', type: 'text' },
  starttime: { column: 'started_at', type: 'time' },
  creationtime: { column: 'started_at', type: 'time' },
  updatetime: { column: 'updated_at', type: 'time' },
};

/** The executions of one kind of work, the latest first. The total is exact up to `maxRows`. */
export async function executions(
  db: Kysely<ExecutionsDatabase>,
  of: OfVendor,
  listing: Listing,
): Promise<Page<Execution>> {
  const listed = db.selectFrom((inner) =>
    inner.selectFrom('executions').selectAll().select(status.as('status')).where(isOf(of)).as('listed'),
  );
  const all = filtered(listed, listing.filters, executionColumns);
  const page = all
    .selectAll()
    .orderBy(orderOf(listing, executionColumns, []))
    .orderBy('execution_id', 'desc');
  const counted = db.selectFrom(all.select('execution_id').limit(maxRows).as('some'));
  const { rows, total } = await pageOf(page, countOf(counted), listing);
  return { rows: rows.map(executionIn), total };
}

export async function execution(
  db: Kysely<ExecutionsDatabase>,
  executionId: number,
): Promise<Execution | undefined> {
  const row = await db
    .selectFrom('executions')
    .selectAll()
    .select(status.as('status'))
    .where('execution_id', '=', executionId)
    .executeTakeFirst();
  return row && executionIn(row);
}

/** The statuses of those of `executionIds` that there are. */
export async function statusesOf(
  db: Kysely<ExecutionsDatabase>,
  executionIds: readonly number[],
): Promise<ReadonlyMap<number, Status>> {
  const rows = await db
    .selectFrom('executions')
    .select(['execution_id', status.as('status')])
    .where('execution_id', '=', sql<number>`ANY (${[...executionIds]}::int[])`)
    .execute();
  return new Map(rows.map((row) => [row.execution_id, row.status]));
}

/** The keys that lists of tasks are filtered and sorted by. */
const taskColumns: Columns = {
  id: { column: 'task_id', type: 'integer' },
  status: { column: 'status', type: 'text' },
  jobid: { column: 'job_id', type: 'text' },
  starttime: { column: 'started_at', type: 'time' },
  creationtime: { column: 'created_at', type: 'time' },
  updatetime: { column: 'updated_at', type: 'time' },
};

/** The tasks of an execution, in the order in which they were asked for. The total is exact up to `maxRows`. */
export async function tasks(
  db: Kysely<ExecutionsDatabase>,
  executionId: number,
  listing: Listing,
): Promise<Page<Task>> {
  const all = filtered(
    db.selectFrom('tasks').where('execution_id', '=', executionId),
    listing.filters,
    taskColumns,
  );
  const page = all.selectAll().orderBy(orderOf(listing, taskColumns, ['task_id']));
  const counted = db.selectFrom(all.select('task_id').limit(maxRows).as('some'));
  const { rows, total } = await pageOf(page, countOf(counted), listing);
  return { rows: rows.map(taskIn), total };
}

/** The task, if it is one of the execution. */
export async function task(
  db: Kysely<ExecutionsDatabase>,
  executionId: number,
  taskId: number,
): Promise<Task | undefined> {
  const row = await db
    .selectFrom('tasks')
    .selectAll()
    .where('task_id', '=', taskId)
    .where('execution_id', '=', executionId)
    .executeTakeFirst();
  return row && taskIn(row);
}

/** The task that the queue knows as `jobId`. */
export async function taskOfJob(db: Kysely<ExecutionsDatabase>, jobId: string): Promise<Task | undefined> {
  const row = await db.selectFrom('tasks').selectAll().where('job_id', '=', jobId).executeTakeFirst();
  return row && taskIn(row);
}

/** Tasks that have not ended, in the order of their numbers; of one execution, or of one kind of work, or all. */
export async function unfinishedTasks(
  db: Kysely<ExecutionsDatabase>,
  {
    executionId,
    kind,
    after,
    limit,
  }: {
    readonly executionId?: number;
    readonly kind?: JobKind;
    readonly after: number;
    readonly limit: number;
  },
): Promise<readonly Task[]> {
  let query = db
    .selectFrom('tasks')
    .selectAll()
    .where('ended_at', 'is', null)
    .where('task_id', '>', after)
    .orderBy('task_id')
    .limit(limit);
  if (executionId !== undefined) query = query.where('execution_id', '=', executionId);
  if (kind !== undefined) query = query.where('kind', '=', kind);
  return (await query.execute()).map(taskIn);
}

/** Unfinished tasks that were asked to stop, or whose execution was, in the order of their numbers. */
export async function tasksToStop(
  db: Kysely<ExecutionsDatabase>,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<readonly Task[]> {
  const rows = await db
    .selectFrom('tasks')
    .innerJoin('executions', 'executions.execution_id', 'tasks.execution_id')
    .selectAll('tasks')
    .where('tasks.ended_at', 'is', null)
    .where('tasks.task_id', '>', after)
    .where(({ or, eb }) =>
      or([eb('tasks.stop_requested', '=', true), eb('executions.stop_requested', '=', true)]),
    )
    .orderBy('tasks.task_id')
    .limit(limit)
    .execute();
  return rows.map(taskIn);
}

/** Whether the execution was asked to stop. */
export async function isToStop(db: Kysely<ExecutionsDatabase>, executionId: number): Promise<boolean> {
  const row = await db
    .selectFrom('executions')
    .select('stop_requested')
    .where('execution_id', '=', executionId)
    .executeTakeFirst();
  return row?.stop_requested === true;
}

/** Those of `executionIds` that there are. */
export async function knownExecutions(
  db: Kysely<ExecutionsDatabase>,
  executionIds: readonly number[],
): Promise<ReadonlySet<number>> {
  const rows = await db
    .selectFrom('executions')
    .select('execution_id')
    .where('execution_id', '=', sql<number>`ANY (${[...executionIds]}::int[])`)
    .execute();
  return new Set(rows.map(({ execution_id }) => execution_id));
}

export interface QueueLength {
  readonly kind: JobKind;
  /** How many tasks wait, also for another attempt; at most `maxRows`. */
  readonly waiting: number;
  /** Since when the one that waits longest does; undefined where none does. */
  readonly since: Date | undefined;
}

/** How much waits of each of `kinds`, in that order. */
export function queueLengths(
  db: Kysely<ExecutionsDatabase>,
  kinds: readonly JobKind[],
): Promise<readonly QueueLength[]> {
  return Promise.all(
    kinds.map(async (kind) => {
      const waiting = db
        .selectFrom('tasks')
        .select('created_at')
        .where('kind', '=', kind)
        .where('ended_at', 'is', null)
        .where('status', 'in', ['Pending', 'Scheduled'])
        .orderBy('task_id')
        .limit(maxRows)
        .as('waiting');
      const row = await db
        .selectFrom(waiting)
        .select(({ fn }) => [fn.countAll<bigint>().as('count'), fn.min('created_at').as('since')])
        .executeTakeFirstOrThrow();
      return { kind, waiting: Number(row.count), since: row.since ?? undefined };
    }),
  );
}

const isOf = ({ kind, vendorId }: OfVendor): RawBuilder<SqlBool> => {
  const kinds = sql<SqlBool>`kind = ANY (${[kind].flat()}::text[])`;
  return vendorId === undefined ? kinds : sql<SqlBool>`(${kinds} AND vendor_id = ${vendorId})`;
};

function executionIn(row: ExecutionsDatabase['executions'] & { readonly status: Status }): Execution {
  const { pending, scheduled, running, success, error, stopped } = row;
  const hasEnded = pending + scheduled + running === 0;
  return {
    executionId: row.execution_id,
    kind: row.kind as JobKind,
    vendorId: row.vendor_id,
    trigger: row.trigger,
    parameters: JSON.parse(row.parameters),
    status: row.status,
    tasks: { pending, scheduled, running, success, error, stopped },
    stopRequested: row.stop_requested,
    startedAt: row.started_at,
    updatedAt: row.updated_at,
    endedAt: hasEnded ? row.updated_at : undefined,
  };
}

const taskIn = (row: ExecutionsDatabase['tasks']): Task => ({
  taskId: row.task_id,
  executionId: row.execution_id,
  jobId: row.job_id,
  kind: row.kind as JobKind,
  vendorId: row.vendor_id,
  key: row.key,
  parameters: JSON.parse(row.parameters),
  status: row.status as Status,
  attempts: row.attempts,
  stopRequested: row.stop_requested,
  message: row.message,
  result: row.result === null ? undefined : JSON.parse(row.result),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  startedAt: row.started_at ?? undefined,
  endedAt: row.ended_at ?? undefined,
});

/** Executions that have ended and are not among the last `keep` of their kind and vendor, at most `limit`. */
export async function sweepableExecutions(
  db: Kysely<ExecutionsDatabase>,
  keep: number,
  limit: number,
): Promise<readonly number[]> {
  const numbered = db
    .selectFrom('executions')
    .select([
      'execution_id',
      sql<number>`pending + scheduled + running`.as('open'),
      sql<bigint>`row_number() OVER (PARTITION BY kind, vendor_id ORDER BY execution_id DESC)`.as('place'),
    ])
    .as('numbered');
  const rows = await db
    .selectFrom(numbered)
    .select('execution_id')
    .where('open', '=', 0)
    .where('place', '>', BigInt(keep))
    .orderBy('execution_id')
    .limit(limit)
    .execute();
  return rows.map(({ execution_id }) => execution_id);
}

export async function taskIdsOf(
  db: Kysely<ExecutionsDatabase>,
  executionIds: readonly number[],
): Promise<readonly number[]> {
  if (executionIds.length === 0) return [];
  const rows = await db
    .selectFrom('tasks')
    .select('task_id')
    .where('execution_id', 'in', executionIds)
    .execute();
  return rows.map(({ task_id }) => task_id);
}
