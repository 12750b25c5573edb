import { endTask } from '../commands/end-task.ts';
import { startFired } from '../commands/fire-schedule.ts';
import { historyOf, type Recorder } from '../commands/record.ts';
import { stopTask } from '../commands/stop-task.ts';
import { type Catalogue, upcast } from '../domain/catalogue.ts';
import type { RecordedEvent } from '../domain/event.ts';
import type { ExecutionEvent } from '../domain/execution/events.ts';
import { type JobKind, jobKinds } from '../domain/execution/kinds.ts';
import { type ScheduleEvent, scheduleStream } from '../domain/schedule/events.ts';
import type { TaskEvent } from '../domain/task/events.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { JobQueue, QueuedJob } from '../infra/job-queue/port.ts';
import type { Task } from '../projections/executions/queries.ts';
import type { Schedule } from '../projections/schedules/queries.ts';
import { pause } from './pause.ts';
import { metadataOfTask } from './run-task.ts';

/** How many tasks are read, and added to the queue, at once. */
const pageSize = 500;
/** How often it is written down how far it is where nothing was to be done, in milliseconds. */
const noteEveryMs = 5000;
/** How often the queue is compared with the views, in milliseconds. */
const compareEveryMs = 10 * 60_000;

export interface EnqueuePorts {
  readonly log: EventLog;
  readonly catalogue: Catalogue;
  readonly record: Recorder;
  readonly queue: JobQueue;
  /** Resolves when the views of executions and of schedules show the position. */
  reached(position: bigint): Promise<void>;
  unfinishedTasks(of: {
    readonly executionId?: number;
    readonly after: number;
    readonly limit: number;
  }): Promise<readonly Task[]>;
  /** Unfinished tasks that were asked to stop, or whose execution was. */
  tasksToStop(page: { readonly after: number; readonly limit: number }): Promise<readonly Task[]>;
  allSchedules(page: { readonly after: number; readonly limit: number }): Promise<readonly Schedule[]>;
  /** Those of the executions that the view shows. */
  knownExecutions(executionIds: readonly number[]): Promise<ReadonlySet<number>>;
}

type Heard = ExecutionEvent | TaskEvent | ScheduleEvent;
const heard: ReadonlySet<string> = new Set<Heard['type']>([
  'TasksRequested',
  'ExecutionStopRequested',
  'TaskStopRequested',
  'ScheduleFired',
]);

/**
 * Follows the log and turns what is asked for into jobs, until `signal` aborts. It may hear of an event again: the queue
 * knows a job by its id, and what has ended is not begun. Rejects where the queue or the log is away, to be called again.
 */
export const enqueueTasks =
  (ports: EnqueuePorts) =>
  async (signal: AbortSignal): Promise<void> => {
    const { log, catalogue, record, queue } = ports;
    let position = await fillQueue();
    const startedAt = performance.now();
    let notedAt = startedAt;
    const tending = new AbortController();
    const over = AbortSignal.any([signal, tending.signal]);
    const tended = tend();
    try {
      for await (const events of log.subscribe(position, over)) {
        const concerning = events.filter(({ type }) => heard.has(type));
        for (const event of concerning)
          await hear(upcast(catalogue, event) as unknown as RecordedEvent<Heard>);
        position = events.at(-1)?.position ?? position;
        // Whoever called begins again, and fills the queue.
        if (concerning.length > 0 && !(await note())) return;
      }
    } finally {
      tending.abort();
      await tended;
    }

    /** What was lost from the queue comes back from the views: all of it, when the database was dropped. */
    async function fillQueue(): Promise<bigint> {
      const noted = await queue.position();
      const head = await log.head();
      await ports.reached(head);
      if (noted === undefined) await startLost();
      for await (const tasks of pagesBy(ports.tasksToStop)) for (const task of tasks) await stop(task);
      for await (const tasks of pagesBy(ports.unfinishedTasks)) await queue.add(tasks.flatMap(jobOf));
      const start = noted !== undefined && noted < head ? noted : head;
      await queue.setPosition(start);
      return start;
    }

    /** Starts what a schedule has fired for, where who fired it died before that, and nothing says how far was heard. */
    async function startLost(): Promise<void> {
      for (let after = 0; ; ) {
        const page = await ports.allSchedules({ after, limit: pageSize });
        const fired = page.flatMap(({ executionId }) => executionId ?? []);
        const known = await ports.knownExecutions(fired);
        for (const { kind, vendorId, executionId } of page) {
          if (executionId === undefined || known.has(executionId)) continue;
          const history = await historyOf<ScheduleEvent>(log, catalogue, scheduleStream(kind, vendorId));
          for (const { type, data } of history)
            if (type === 'ScheduleFired' && data.executionId === executionId)
              await startFired({ record })(data, metadataOfTask(data));
        }
        const last = page.at(-1);
        if (last === undefined || page.length < pageSize) return;
        after = last.scheduleId;
      }
    }

    async function hear(event: RecordedEvent<Heard>): Promise<void> {
      switch (event.type) {
        case 'TasksRequested': {
          const { executionId, kind, vendorId, tasks } = event.data;
          return queue.add(tasks.flatMap((task) => jobOf({ ...task, executionId, kind, vendorId })));
        }
        case 'ExecutionStopRequested':
          // The view must show all of its tasks.
          await ports.reached(event.position);
          for await (const tasks of pagesBy((page) =>
            ports.unfinishedTasks({ ...page, executionId: event.data.executionId }),
          ))
            for (const task of tasks) await stopTask({ record })(task, event.metadata);
          return;
        case 'TaskStopRequested':
          await ports.reached(event.position);
          return askToStop(event.data);
        case 'ScheduleFired':
          return startFired({ record })(event.data, metadataOfTask(event.data));
      }
    }

    async function askToStop({ taskId, executionId }: TaskEvent['data']): Promise<void> {
      const [task] = await ports.unfinishedTasks({ executionId, after: taskId - 1, limit: 1 });
      if (task?.taskId === taskId) await endOrAsk(task);
    }

    async function stop(task: Task): Promise<void> {
      await stopTask({ record })(task, metadataOfTask(task));
      await endOrAsk(task);
    }

    /** What was begun and given back, or whose worker was lost, waits again: nobody is there to end it. */
    async function endOrAsk({ taskId, executionId, jobId }: Task): Promise<void> {
      if ((await queue.askToStop([jobId])).length > 0) return;
      // Who takes it from now on finds that it is to stop, and this changes nothing then.
      const stopped = { taskId, executionId, status: 'Stopped', message: 'stopped' } as const;
      await endTask({ record })(stopped, metadataOfTask({ executionId }));
    }

    async function* pagesBy(
      read: (page: { readonly after: number; readonly limit: number }) => Promise<readonly Task[]>,
    ): AsyncGenerator<readonly Task[]> {
      for (let after = 0; ; ) {
        const tasks = await read({ after, limit: pageSize });
        if (tasks.length > 0) yield tasks;
        const last = tasks.at(-1);
        if (last === undefined || tasks.length < pageSize) return;
        after = last.taskId;
      }
    }

    /** False where the queue was lost: no position may say then that it is filled. */
    async function note(): Promise<boolean> {
      notedAt = performance.now();
      return queue.movePosition(position);
    }

    /** Notices that the queue was dropped, and writes down how far it is where nothing else makes it. */
    async function tend(): Promise<void> {
      while (!over.aborted) {
        await pause(1000, over);
        if (over.aborted || performance.now() - notedAt < noteEveryMs) continue;
        const isThere = await note().catch(() => true);
        // Whoever called begins again, and fills the queue.
        if (!isThere || performance.now() - startedAt > compareEveryMs) return tending.abort();
      }
    }
  };

const jobOf = ({
  jobId,
  kind,
  taskId,
  executionId,
  vendorId,
  parameters,
}: Omit<QueuedJob, 'kind'> & { readonly kind: string }): QueuedJob[] =>
  isKind(kind) ? [{ jobId, kind, taskId, executionId, vendorId, parameters }] : [];

const isKind = (kind: string): kind is JobKind => jobKinds.some((known) => known === kind);
