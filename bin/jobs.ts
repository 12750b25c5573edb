import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { type AllocateIds, idAllocator, idsAllocator } from '../commands/allocate-id.ts';
import type { Recorder } from '../commands/record.ts';
import { setSchedule } from '../commands/set-schedule.ts';
import { catalogue } from '../domain/catalogue.ts';
import { noVendor } from '../domain/execution/kinds.ts';
import { scheduleStream } from '../domain/schedule/events.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import { StoreUnavailable } from '../infra/blob-store/port.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import { aloneIn } from '../infra/database/alone.ts';
import type { Database } from '../infra/database/connect.ts';
import { isBeingBuilt, viewOf } from '../infra/database/projection.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import { type EventLog, LogUnavailable } from '../infra/event-log/port.ts';
import type { JobJournal } from '../infra/job-journal/port.ts';
import { openPostgresJournal } from '../infra/job-journal/postgres.ts';
import { openPgBossQueue } from '../infra/job-queue/pg-boss.ts';
import type { JobQueue } from '../infra/job-queue/port.ts';
import { postgresResults } from '../infra/job-results/postgres.ts';
import { isTransient } from '../infra/views/lane.ts';
import { type Views, ViewsBehind } from '../infra/views/port.ts';
import { type ExecutionsDatabase, executions } from '../projections/executions/projection.ts';
import {
  execution,
  isToStop,
  knownExecutions,
  tasksToStop,
  unfinishedTasks,
} from '../projections/executions/queries.ts';
import { type QueuesDatabase, queues } from '../projections/queues/projection.ts';
import { pausedKinds } from '../projections/queues/queries.ts';
import { type SchedulesDatabase, schedules } from '../projections/schedules/projection.ts';
import { allSchedules } from '../projections/schedules/queries.ts';
import { enqueueTasks } from '../workers/enqueue-tasks.ts';
import { fireSchedules } from '../workers/fire-schedules.ts';
import type { AnyJobHandler } from '../workers/job.ts';
import { runTask } from '../workers/run-task.ts';
import { keepTendingJobs } from '../workers/tend-jobs.ts';
import { keepWorking } from '../workers/work.ts';
import { currentIn } from './contents.ts';
import { type HandlerEngines, jobHandlers } from './job-handlers.ts';

export interface JobEngines {
  readonly configuration: Configuration;
  readonly log: EventLog;
  readonly record: Recorder;
  readonly store: BlobStore;
  /** The connections of the requests, for what handlers ask. */
  readonly database: Database;
  /** Connections for the queue, which also hold the locks of the worker. */
  readonly jobDatabase: Database;
  readonly views: Views;
  readonly logger: Pick<Logger, 'warn' | 'error'>;
  /** Instead of those of the product, for a test. */
  readonly handlers?: (engines: HandlerEngines) => readonly AnyJobHandler[];
  now?(): Date;
}

/** The queue with its journal, for the API and for workers. */
export interface Jobs {
  readonly queue: JobQueue;
  readonly journal: JobJournal;
  /** The kinds of work that somebody does. */
  readonly handlers: readonly AnyJobHandler[];
  readonly allocateIds: AllocateIds;
  /** Makes this process a worker. */
  work(): { stop(): Promise<void> };
  close(): Promise<void>;
}

/**
 * Connections for jobs: two locks and those of who watches the quotas and of who erases users, three of those who tell
 * webhooks, the queue's own care, and the jobs that are taken and answered for.
 */
export const jobConnections = 13;

/**
 * How often a job waits for a view that is not there, with pauses that grow from 5 seconds to 5 minutes: for a quarter of
 * an hour. After that it is a fault of the job.
 */
const turnsWithoutViews = 8;

const usualAttempts = 4;
const usualRetrySeconds = 10;

export function openJobs(engines: JobEngines): Jobs {
  const { configuration, log, record, store, database, jobDatabase, views, logger } = engines;
  const { now = () => new Date() } = engines;
  const idPorts = { log, catalogue, newEventId };
  const ports = {
    record,
    allocateId: idAllocator(idPorts),
    allocateIds: idsAllocator(idPorts),
    newJobId: randomUUID,
  };
  const journal = openPostgresJournal(jobDatabase);
  const results = postgresResults(jobDatabase);
  const handlers = (engines.handlers ?? jobHandlers)({
    ...{ configuration, log, ports, store, database, views, journal, results },
  });
  const { max_job_workers: concurrency, enabled } = configuration.jobservice;
  const onOutage = (error: unknown) => logger.warn({ err: error }, 'the jobs cannot go on now');
  const queue = openPgBossQueue({
    database: jobDatabase,
    queues: handlers.map(({ kind, attempts, retrySeconds, exclusive }) => ({
      kind,
      attempts: attempts ?? usualAttempts,
      retrySeconds: retrySeconds ?? usualRetrySeconds,
      exclusive: exclusive ?? false,
    })),
    supervises: enabled,
    onError: onOutage,
  });

  const current = currentIn(views);
  const { kysely } = database;
  const inExecutions = viewOf<ExecutionsDatabase>(kysely, executions);
  const inQueues = viewOf<QueuesDatabase>(kysely, queues);
  const inSchedules = viewOf<SchedulesDatabase>(kysely, schedules);
  const listed = current(allSchedules.bind(undefined, inSchedules));
  const paused = current(pausedKinds.bind(undefined, inQueues));

  function work() {
    const aloneAs = (name: string) => aloneIn(jobDatabase, name);
    const working = keepWorking({
      ...{ queue, handlers, aloneAs, concurrency, onOutage },
      runTask: runTask({
        ...{ record, queue, journal },
        isToStop: current(isToStop.bind(undefined, inExecutions)),
        isOutage: (error, { turn }) => isOutage(error) || (isBeingBuilt(error) && turn < turnsWithoutViews),
        onFailure: (error, { kind, taskId }) =>
          logger.error({ err: error, kind, task: taskId }, 'a job has failed'),
      }),
      pausedKinds: paused,
      newWorkerId: randomUUID,
      host: hostname(),
      pid: process.pid,
    });
    const enqueue = enqueueTasks({
      ...{ log, catalogue, record, queue },
      reached: (position) => views.reached(position, [executions, schedules]),
      unfinishedTasks: current(unfinishedTasks.bind(undefined, inExecutions)),
      tasksToStop: current(tasksToStop.bind(undefined, inExecutions)),
      knownExecutions: current(knownExecutions.bind(undefined, inExecutions)),
      allSchedules: listed,
    });
    const tending = keepTendingJobs({
      ...{ queue, record, aloneAs, onOutage },
      async enqueueTasks(signal) {
        await scheduleSweeps();
        await enqueue(signal);
      },
      fireSchedules: fireSchedules({
        ...ports,
        allSchedules: listed,
        findExecution: current(execution.bind(undefined, inExecutions)),
        pausedKinds: paused,
        now,
        onAhead: ({ scheduleId, kind, vendorId, doneUpTo }) =>
          logger.warn(
            { schedule: scheduleId, kind, vendor: vendorId, doneUpTo },
            'a schedule has fired by a clock that was ahead, and is not due until then, unless it is set anew',
          ),
        onOutage,
      }),
    });
    return {
      async stop() {
        await Promise.all([working.stop(), tending.stop()]);
      },
    };
  }

  /** Once in the life of an installation. */
  async function scheduleSweeps(): Promise<void> {
    const settings = { kind: 'EXECUTION_SWEEP', vendorId: noVendor } as const;
    const { revision } = await log.readStream(scheduleStream(settings.kind, settings.vendorId));
    if (revision !== 'none') return;
    const daily = { ...settings, type: 'Daily', cron: '0 0 0 * * *', parameters: {} };
    await setSchedule({ ...ports, now })(daily, { actor: 'system' });
  }

  return {
    ...{ queue, journal, handlers, work },
    allocateIds: ports.allocateIds,
    close: () => queue.close(),
  };
}

const isOutage = (error: unknown): boolean =>
  isTransient(error) ||
  error instanceof LogUnavailable ||
  error instanceof StoreUnavailable ||
  error instanceof ViewsBehind;
