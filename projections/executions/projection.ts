import { sql } from 'kysely';
import type { RecordedEvent } from '../../domain/event.ts';
import type { Trigger } from '../../domain/execution/decider.ts';
import type { ExecutionEvent } from '../../domain/execution/events.ts';
import type { ExecutionSweepEvent } from '../../domain/execution-sweep/events.ts';
import { type TaskEvent, taskEvent } from '../../domain/task/events.ts';
import type { Projection, ViewTables } from '../../infra/database/projection.ts';

/** How a task is, or an execution as a whole, in Harbor's words. */
export type Status = 'Pending' | 'Scheduled' | 'Running' | 'Success' | 'Error' | 'Stopped';

export interface ExecutionsDatabase {
  executions: {
    execution_id: number;
    kind: string;
    vendor_id: number;
    trigger: Trigger;
    /** JSON. */
    parameters: string;
    /** How many tasks there are of each status. */
    pending: number;
    scheduled: number;
    running: number;
    success: number;
    error: number;
    stopped: number;
    stop_requested: boolean;
    started_at: Date;
    /** When something last happened to it or its tasks. */
    updated_at: Date;
  };
  tasks: {
    task_id: number;
    execution_id: number;
    job_id: string;
    kind: string;
    vendor_id: number;
    key: string;
    /** JSON. */
    parameters: string;
    /** `Scheduled` while it waits for another attempt. */
    status: string;
    attempts: number;
    stop_requested: boolean;
    message: string;
    /** JSON; null before the end. */
    result: string | null;
    created_at: Date;
    updated_at: Date;
    /** When it was begun first. */
    started_at: Date | null;
    ended_at: Date | null;
  };
}

type ExecutionsEvent = ExecutionEvent | TaskEvent | ExecutionSweepEvent;

/** The work that was asked for, with its tasks and how far they are, but for what was swept. */
export const executions: Projection<ExecutionsEvent> = {
  name: 'executions',
  version: 1,
  handles: [
    'ExecutionStarted',
    'TasksRequested',
    'ExecutionStopRequested',
    'TaskStarted',
    'TaskAttemptFailed',
    'TaskStopRequested',
    'TaskFinished',
    'ExecutionsSwept',
  ],

  async create(db) {
    const text = sql`text COLLATE "C"`;
    await db.schema
      .createTable('executions')
      .addColumn('execution_id', 'integer', (column) => column.primaryKey())
      .addColumn('kind', text, (column) => column.notNull())
      .addColumn('vendor_id', 'integer', (column) => column.notNull())
      .addColumn('trigger', text, (column) => column.notNull())
      .addColumn('parameters', 'text', (column) => column.notNull())
      .addColumn('pending', 'integer', (column) => column.notNull())
      .addColumn('scheduled', 'integer', (column) => column.notNull())
      .addColumn('running', 'integer', (column) => column.notNull())
      .addColumn('success', 'integer', (column) => column.notNull())
      .addColumn('error', 'integer', (column) => column.notNull())
      .addColumn('stopped', 'integer', (column) => column.notNull())
      .addColumn('stop_requested', 'boolean', (column) => column.notNull())
      .addColumn('started_at', 'timestamptz', (column) => column.notNull())
      .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
      .execute();
    await db.schema
      .createIndex('executions_by_vendor')
      .on('executions')
      .columns(['kind', 'vendor_id', 'execution_id'])
      .execute();
    await db.schema
      .createTable('tasks')
      .addColumn('task_id', 'integer', (column) => column.primaryKey())
      .addColumn('execution_id', 'integer', (column) => column.notNull())
      .addColumn('job_id', text, (column) => column.notNull())
      .addColumn('kind', text, (column) => column.notNull())
      .addColumn('vendor_id', 'integer', (column) => column.notNull())
      .addColumn('key', 'text', (column) => column.notNull())
      .addColumn('parameters', 'text', (column) => column.notNull())
      .addColumn('status', text, (column) => column.notNull())
      .addColumn('attempts', 'integer', (column) => column.notNull())
      .addColumn('stop_requested', 'boolean', (column) => column.notNull())
      .addColumn('message', 'text', (column) => column.notNull())
      .addColumn('result', 'text')
      .addColumn('created_at', 'timestamptz', (column) => column.notNull())
      .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
      .addColumn('started_at', 'timestamptz')
      .addColumn('ended_at', 'timestamptz')
      .execute();
    await db.schema
      .createIndex('tasks_by_execution')
      .on('tasks')
      .columns(['execution_id', 'task_id'])
      .execute();
    await db.schema.createIndex('tasks_by_job').on('tasks').columns(['job_id']).execute();
    await db.schema
      .createIndex('tasks_unfinished')
      .on('tasks')
      .columns(['task_id'])
      .where(sql.ref('ended_at'), 'is', null)
      .execute();
    await db.schema
      .createIndex('tasks_waiting')
      .on('tasks')
      .columns(['kind', 'task_id'])
      .where(sql.ref('ended_at'), 'is', null)
      .execute();
  },

  async apply(tables, events) {
    // What is swept has ended, so that nothing of the same batch comes after it but what was asked for later.
    const swept = events.filter((event) => event.type === 'ExecutionsSwept');
    await addExecutions(tables, events);
    await addTasks(tables, events);
    await changeTasks(tables, events);
    await sweep(
      tables,
      swept.flatMap(({ data }) => data.executionIds),
    );
  },
};

type Event = RecordedEvent<ExecutionsEvent>;

async function addExecutions(tables: ViewTables, events: readonly Event[]): Promise<void> {
  const rows = events
    .filter((event) => event.type === 'ExecutionStarted')
    .map(({ data, recordedAt }) => ({
      execution_id: data.executionId,
      kind: data.kind,
      vendor_id: data.vendorId,
      trigger: data.trigger,
      parameters: JSON.stringify(data.parameters),
      ...{ pending: 0, scheduled: 0, running: 0, success: 0, error: 0, stopped: 0 },
      stop_requested: false,
      started_at: recordedAt,
      updated_at: recordedAt,
    }));
  await tables.write('executions', ['execution_id'], rows);
  const stopped = events
    .filter((event) => event.type === 'ExecutionStopRequested')
    .map(({ data }) => ({ execution_id: data.executionId, stop_requested: true }));
  await tables.update('executions', ['execution_id'], stopped);
}

async function addTasks(tables: ViewTables, events: readonly Event[]): Promise<void> {
  const rows = events
    .filter((event) => event.type === 'TasksRequested')
    .flatMap(({ data: { executionId, kind, vendorId, tasks }, recordedAt }) =>
      tasks.map(({ taskId, jobId, key, parameters }) => ({
        task_id: taskId,
        execution_id: executionId,
        job_id: jobId,
        kind,
        vendor_id: vendorId,
        key,
        parameters: JSON.stringify(parameters),
        status: 'Pending',
        attempts: 0,
        stop_requested: false,
        message: '',
        result: null,
        created_at: recordedAt,
        updated_at: recordedAt,
        started_at: null,
        ended_at: null,
      })),
    );
  await tables.write('tasks', ['task_id'], rows);
  const counts = [...Map.groupBy(rows, ({ execution_id }) => execution_id)].map(([execution_id, added]) => ({
    execution_id,
    added: added.length,
  }));
  if (counts.length === 0) return;
  await tables.run(
    ({ table, rows: given }) => sql`
      UPDATE ${table('executions')} stored SET pending = stored.pending + given.added
      FROM ${given(counts, { execution_id: 'integer', added: 'integer' })}
      WHERE stored.execution_id = given.execution_id`,
  );
}

/** What the events of a batch say of one task; undefined is as before. */
interface TaskChange {
  task_id: number;
  status?: Status;
  attempts?: number;
  stop_requested?: true;
  message?: string;
  result?: string;
  updated_at: Date;
  began_at?: Date;
  ended_at?: Date;
}

/** Of each task the last that happened to it, and the sums that change by that. */
async function changeTasks(tables: ViewTables, events: readonly Event[]): Promise<void> {
  const changes = new Map<number, TaskChange>();
  for (const event of events) {
    if (!isOfTask(event)) continue;
    const { taskId } = event.data;
    const before = changes.get(taskId);
    changes.set(taskId, { ...before, ...changeBy(event, before?.began_at) });
  }
  if (changes.size === 0) return;
  await tables.run(
    ({ table, rows: given }) => sql`
      WITH given AS (SELECT * FROM ${given([...changes.values()], {
        task_id: 'integer',
        status: 'text',
        attempts: 'integer',
        stop_requested: 'boolean',
        message: 'text',
        result: 'text',
        updated_at: 'timestamptz',
        began_at: 'timestamptz',
        ended_at: 'timestamptz',
      })}),
      before AS (
        SELECT task_id, execution_id, stored.status AS old, coalesce(given.status, stored.status) AS new,
          given.updated_at
        FROM ${table('tasks')} stored JOIN given USING (task_id)),
      changed AS (
        UPDATE ${table('tasks')} stored SET
          status = coalesce(given.status, stored.status),
          attempts = coalesce(given.attempts, stored.attempts),
          stop_requested = coalesce(given.stop_requested, stored.stop_requested),
          message = coalesce(given.message, stored.message),
          result = coalesce(given.result, stored.result),
          updated_at = given.updated_at,
          started_at = coalesce(stored.started_at, given.began_at),
          ended_at = coalesce(given.ended_at, stored.ended_at)
        FROM given WHERE stored.task_id = given.task_id),
      sums AS (
        SELECT execution_id, max(updated_at) AS updated_at, ${sql.join(
          counted.map(
            ([column, status]) =>
              sql`sum((new = ${status})::int - (old = ${status})::int)::int AS ${sql.ref(column)}`,
          ),
        )}
        FROM before GROUP BY execution_id)
      UPDATE ${table('executions')} stored SET updated_at = sums.updated_at, ${sql.join(
        counted.map(
          ([column]) => sql`${sql.ref(column)} = stored.${sql.ref(column)} + sums.${sql.ref(column)}`,
        ),
      )}
      FROM sums WHERE stored.execution_id = sums.execution_id`,
  );
}

const counted = [
  ['pending', 'Pending'],
  ['scheduled', 'Scheduled'],
  ['running', 'Running'],
  ['success', 'Success'],
  ['error', 'Error'],
  ['stopped', 'Stopped'],
] as const;

type OfTask = RecordedEvent<TaskEvent>;
const typesOfTasks: readonly string[] = taskEvent.options.map(({ shape }) => shape.type.value);
const isOfTask = (event: Event): event is OfTask => typesOfTasks.includes(event.type);

function changeBy(event: OfTask, beganAt: Date | undefined): TaskChange {
  const { recordedAt } = event;
  const change = { task_id: event.data.taskId, updated_at: recordedAt };
  switch (event.type) {
    case 'TaskStarted':
      return {
        ...change,
        status: 'Running',
        attempts: event.data.attempt,
        began_at: beganAt ?? recordedAt,
      };
    case 'TaskAttemptFailed':
      return { ...change, status: 'Scheduled', message: event.data.message };
    case 'TaskStopRequested':
      return { ...change, stop_requested: true };
    case 'TaskFinished': {
      const { status, result, message } = event.data;
      return { ...change, status, message, result: JSON.stringify(result), ended_at: recordedAt };
    }
  }
}

async function sweep(tables: ViewTables, executionIds: readonly number[]): Promise<void> {
  const rows = executionIds.map((execution_id) => ({ execution_id }));
  await tables.remove('tasks', ['execution_id'], rows);
  await tables.remove('executions', ['execution_id'], rows);
}
