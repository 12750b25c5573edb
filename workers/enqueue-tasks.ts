import { setTimeout as sleep } from 'node:timers/promises';
import { startFired } from '../commands/fire-schedule.ts';
import type { Recorder } from '../commands/record.ts';
import { stopTask } from '../commands/stop-task.ts';
import { type Catalogue, upcast } from '../domain/catalogue.ts';
import type { RecordedEvent } from '../domain/event.ts';
import type { ExecutionEvent } from '../domain/execution/events.ts';
import { type JobKind, jobKinds } from '../domain/execution/kinds.ts';
import type { ScheduleEvent } from '../domain/schedule/events.ts';
import type { TaskEvent } from '../domain/task/events.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { JobQueue, QueuedJob } from '../infra/job-queue/port.ts';
import type { Task } from '../projections/executions/queries.ts';
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
  /** Resolves when the view of executions shows the position. */
  reached(position: bigint): Promise<void>;
  unfinishedTasks(of: {
    readonly executionId?: number;
    readonly after: number;
    readonly limit: number;
  }): Promise<readonly Task[]>;
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
    let notedAt = performance.now();
    let comparedAt = notedAt;
    const tending = new AbortController();
    const over = AbortSignal.any([signal, tending.signal]);
    const tended = tend();
    try {
      for await (const events of log.subscribe(position, over)) {
        const concerning = events.filter(({ type }) => heard.has(type));
        for (const event of concerning)
          await hear(upcast(catalogue, event) as unknown as RecordedEvent<Heard>);
        position = events.at(-1)?.position ?? position;
        if (concerning.length > 0) await note();
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
      for await (const tasks of pages({})) await queue.add(tasks.flatMap(jobOf));
      const start = noted !== undefined && noted < head ? noted : head;
      await queue.setPosition(start);
      return start;
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
          for await (const tasks of pages({ executionId: event.data.executionId }))
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
      if (task?.taskId === taskId) await queue.askToStop([task.jobId]);
    }

    async function* pages(of: { readonly executionId?: number }): AsyncGenerator<readonly Task[]> {
      for (let after = 0; ; ) {
        const tasks = await ports.unfinishedTasks({ ...of, after, limit: pageSize });
        if (tasks.length > 0) yield tasks;
        const last = tasks.at(-1);
        if (last === undefined || tasks.length < pageSize) return;
        after = last.taskId;
      }
    }

    async function note(): Promise<void> {
      await queue.setPosition(position);
      notedAt = performance.now();
    }

    /** Notices that the queue was dropped, and writes down how far it is where nothing else makes it. */
    async function tend(): Promise<void> {
      while (!over.aborted) {
        await sleep(1000, undefined, { signal: over, ref: false }).catch(() => undefined);
        if (over.aborted || performance.now() - notedAt < noteEveryMs) continue;
        const isLost = (await queue.position().catch(() => 0n)) === undefined;
        if (isLost || performance.now() - comparedAt > compareEveryMs) {
          comparedAt = performance.now();
          // Whoever called begins again, and fills the queue.
          return tending.abort();
        }
        await note().catch(() => undefined);
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
