import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { beginTask } from '../../commands/begin-task.ts';
import { decision } from '../../commands/record.ts';
import { setSchedule } from '../../commands/set-schedule.ts';
import { startExecution } from '../../commands/start-execution.ts';
import { stopExecution } from '../../commands/stop-execution.ts';
import { stopTask } from '../../commands/stop-task.ts';
import { catalogue } from '../../domain/catalogue.ts';
import type { JobKind } from '../../domain/execution/kinds.ts';
import { scheduleDecider } from '../../domain/schedule/decider.ts';
import { scheduleStream } from '../../domain/schedule/events.ts';
import { aloneIn } from '../../infra/database/alone.ts';
import { viewOf } from '../../infra/database/projection.ts';
import { openPostgresJournal } from '../../infra/job-journal/postgres.ts';
import { openPgBossQueue } from '../../infra/job-queue/pg-boss.ts';
import type { JobQueue, TakenJob } from '../../infra/job-queue/port.ts';
import {
  execution,
  knownExecutions,
  tasksToStop,
  unfinishedTasks,
} from '../../projections/executions/queries.ts';
import { type SchedulesDatabase, schedules } from '../../projections/schedules/projection.ts';
import { allSchedules } from '../../projections/schedules/queries.ts';
import { enqueueTasks } from '../../workers/enqueue-tasks.ts';
import { type AnyJobHandler, PermanentFailure } from '../../workers/job.ts';
import { runTask } from '../../workers/run-task.ts';
import { keepWorking } from '../../workers/work.ts';
import { ask, json } from '../http/api-client.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { besideServer } from './job-workers.ts';

const server = await startServer({ after }, { environment: { SHIPLOG_JOBSERVICE_ENABLED: 'false' } });
const { ports, database, inExecutions, log } = await besideServer({ after }, server);
const inSchedules = viewOf<SchedulesDatabase>(database.kysely, schedules);
const metadata = { actor: 'user:admin' };
const settings = { attempts: 2, retrySeconds: 1 };
const queue = openPgBossQueue({
  database,
  queues: [
    { kind: 'SCAN_DATA_EXPORT', exclusive: false, ...settings },
    { kind: 'P2P_PREHEAT', exclusive: true, ...settings },
  ],
  supervises: false,
  onError: (error) => assert.fail(String(error)),
});
after(() => queue.close());

const forget = () => database.pool.query('DROP SCHEMA jobs CASCADE; DROP SCHEMA job_queue CASCADE');
const jobOf = (kind: JobKind, vendorId = 7) => ({
  ...{ jobId: randomUUID(), kind, taskId: 1, executionId: 1, vendorId, parameters: {} },
});
async function taken(kind: JobKind, workerId: string): Promise<TakenJob> {
  let job: TakenJob | undefined;
  await until(`a job is handed out to ${workerId}`, async () => {
    [job] = await queue.take(kind, workerId, 1);
    return job !== undefined;
  });
  return job ?? assert.fail();
}

/** Starts an execution with one task, and resolves when the view shows it. */
async function start(kind: JobKind) {
  const task = { parameters: {} };
  const asked = { kind, vendorId: 7, trigger: 'MANUAL', parameters: {}, tasks: [task, task] } as const;
  const { executionId } = await startExecution(ports)(asked, metadata);
  const open = () => unfinishedTasks(inExecutions, { executionId, after: 0, limit: 10 });
  await until('it is shown', async () => (await open()).length === 2);
  const [first, second] = await open();
  if (first === undefined || second === undefined) assert.fail();
  const statusOf = async () => (await execution(inExecutions, executionId))?.status;
  return { executionId, first, second, statusOf };
}

/** The reactor, until the work is over. */
async function reacting(work: () => Promise<void>): Promise<void> {
  const stopping = new AbortController();
  const reactor = enqueueTasks({
    ...{ log, catalogue, record: ports.record, queue },
    // The views of the server come by themselves.
    reached: () => sleep(1000),
    unfinishedTasks: (of) => unfinishedTasks(inExecutions, of),
    tasksToStop: (page) => tasksToStop(inExecutions, page),
    knownExecutions: (executionIds) => knownExecutions(inExecutions, executionIds),
    allSchedules: (page) => allSchedules(inSchedules, page),
  });
  const running = (async () => {
    while (!stopping.signal.aborted) await reactor(stopping.signal);
  })();
  try {
    await work();
  } finally {
    stopping.abort();
    await running;
  }
}

test('of two who find the queue gone at once both make it', async () => {
  const others = Array.from({ length: 4 }, () =>
    openPgBossQueue({ database, queues: [], supervises: false, onError: () => undefined }),
  );
  await Promise.all(others.map((other) => other.leases()));
  for (let round = 0; round < 3; round += 1) {
    await forget();
    await Promise.all(others.map((other) => other.leases()));
  }
  await Promise.all(others.map((other) => other.close()));
});

test('a job given back has a turn of its own, and its earlier failures stay counted', async () => {
  const { jobId } = jobOf('SCAN_DATA_EXPORT');
  await queue.add([{ ...jobOf('SCAN_DATA_EXPORT'), jobId }]);
  const first = await taken('SCAN_DATA_EXPORT', 'a');
  assert.equal(first.isLast, false);
  await queue.giveBack(first);
  const second = await taken('SCAN_DATA_EXPORT', 'b');
  assert.notEqual(second.turn, first.turn);
  // Late, or for the second time: it is another worker's now.
  await queue.giveBack(first);
  await queue.failed(first, 'late');
  assert.deepEqual(await queue.take('SCAN_DATA_EXPORT', 'c', 1), []);
  assert.equal(second.isLast, false, 'what was given back does not count');

  await queue.failed(second, 'it fails');
  const third = await taken('SCAN_DATA_EXPORT', 'b');
  assert.equal(third.isLast, true);
  await queue.giveBack(third, 1);
  assert.equal((await queue.place('SCAN_DATA_EXPORT', jobId))?.state, 'waiting');
  assert.deepEqual(await queue.take('SCAN_DATA_EXPORT', 'c', 1), [], 'it is not handed out before the pause');
  const fourth = await taken('SCAN_DATA_EXPORT', 'b');
  assert.equal(fourth.isLast, true, 'the failure before it was given back counts');
  await queue.done(fourth);
  assert.deepEqual(await queue.leases(), []);
});

/** A worker in this process that does `run` instead of what is recorded. */
function worker(using: JobQueue, kind: JobKind, run: (job: TakenJob, ending: AbortSignal) => Promise<void>) {
  const handler: AnyJobHandler = { kind, parameters: z.object({}), run: async () => ({}) };
  return keepWorking({
    ...{ queue: using, handlers: [handler], concurrency: 5, host: 'here', pid: 1 },
    runTask: (_, job, ending) => run(job, ending),
    pausedKinds: async () => new Set(),
    aloneAs: (name) => aloneIn(database, name),
    newWorkerId: randomUUID,
    onOutage: () => undefined,
  });
}

test('of jobs that are done one after the other the next one is begun at the end of the last', async () => {
  const jobs = Array.from({ length: 10 }, () => jobOf('P2P_PREHEAT'));
  await queue.add(jobs);
  let done = 0;
  const working = worker(queue, 'P2P_PREHEAT', async (job) => {
    await queue.done(job);
    done += 1;
  });
  await until('all are done', () => done === jobs.length, 10_000);
  await working.stop();
});

test('a job whose hand-out was not heard of is given back by the worker that has it', async () => {
  let lost = 0;
  const losing: JobQueue = {
    ...queue,
    async take(...args) {
      const jobs = await queue.take(...args);
      if (jobs.length > 0 && lost++ === 0) throw new Error('the answer was lost');
      return jobs;
    },
  };
  await queue.add([jobOf('SCAN_DATA_EXPORT')]);
  const done: TakenJob[] = [];
  const working = worker(losing, 'SCAN_DATA_EXPORT', async (job) => {
    await queue.done(job);
    done.push(job);
  });
  await until('it is done', () => done.length === 1);
  await working.stop();
  assert.equal(lost > 0, true);
});

test('a worker whose jobs were lost with the queue ends them, and one that ends keeps what still runs', async () => {
  await queue.add([jobOf('SCAN_DATA_EXPORT')]);
  let told: unknown;
  const finish = Promise.withResolvers<void>();
  const working = worker(queue, 'SCAN_DATA_EXPORT', async (job, ending) => {
    ending.addEventListener('abort', () => {
      told = ending.reason;
    });
    await finish.promise;
    await queue.giveBack(job);
  });
  await until('it has begun', async () => (await queue.leases()).length === 1);
  await forget();
  await until('it is told to end', () => told === 'worker-ends');

  const begun = jobOf('SCAN_DATA_EXPORT');
  await queue.add([begun]);
  await until('another one has begun', async () => (await queue.leases()).length === 1);
  await working.stop();
  assert.equal(await queue.reap(), 0, 'it has not ended after the time that it has, and nobody takes it');
  assert.equal((await queue.leases()).length, 1);
  finish.resolve();
  await until('it has ended', async () => (await queue.workers()).length === 0);
  assert.equal((await queue.place('SCAN_DATA_EXPORT', begun.jobId))?.state, 'waiting');
});

test('an execution that was asked to stop is stopped where the queue was lost before anybody heard of that', async () => {
  const asked = await start('SCAN_DATA_EXPORT');
  await beginTask(ports)(asked.first, metadata);
  await stopExecution(ports)(asked.executionId, metadata);
  await forget();
  await reacting(() => until('it is stopped', async () => (await asked.statusOf()) === 'Stopped'));
});

test('what a schedule has fired for is started where who fired it died, and the queue was lost', async () => {
  const kind = 'RETENTION';
  await setSchedule({ ...ports, now: () => new Date('2030-01-01T08:30:00Z') })(
    { kind, vendorId: 5, type: 'Hourly', cron: '0 0 * * * *', parameters: {} },
    metadata,
  );
  const [scheduled] = (await log.readStream(scheduleStream(kind, 5))).events;
  const { scheduleId } = (scheduled ?? assert.fail()).data as { scheduleId: number };
  const fire = {
    do: 'fire',
    ...{ scheduleId, cron: '0 0 * * * *', dueAt: '2030-01-01T09:00:00.000Z', running: undefined },
    ...{ executionId: 4711, taskId: 4711, jobId: randomUUID() },
  } as const;
  await ports.record(metadata, decision(scheduleStream(kind, 5), scheduleDecider, fire));
  await forget();
  await reacting(() =>
    until('it is started', async () => (await execution(inExecutions, 4711)) !== undefined),
  );
});

test('what was begun and waits again is stopped at once, by itself and with its queue', async () => {
  const asked = await start('SCAN_DATA_EXPORT');
  await reacting(async () => {
    await beginTask(ports)(asked.first, metadata);
    await stopTask(ports)(asked.first, metadata);
    await until('one is stopped', async () => (await asked.statusOf()) === 'Running');
    await beginTask(ports)(asked.second, metadata);
    await until('it is shown as running', async () => {
      const shown = json(await ask(server, 'GET', `/jobs/${asked.second.jobId}`));
      return shown.status === 'Running';
    });
    const stop = { body: { action: 'stop' } };
    assert.equal((await ask(server, 'PUT', '/jobservice/queues/SCAN_DATA_EXPORT', stop)).status, 200);
    await until('both are stopped', async () => (await asked.statusOf()) === 'Stopped');
  });
});

const placeOf = async (jobId: string) => (await queue.place('SCAN_DATA_EXPORT', jobId))?.state;

test('the loss of the queue is noticed with the next thing that is asked for', async () => {
  const before = await start('SCAN_DATA_EXPORT');
  await reacting(async () => {
    await until('it waits', async () => (await placeOf(before.first.jobId)) === 'waiting');
    await forget();
    const next = await start('SCAN_DATA_EXPORT');
    await until('it waits too', async () => (await placeOf(next.first.jobId)) === 'waiting');
    await until('so does what was lost', async () => (await placeOf(before.first.jobId)) === 'waiting', 8000);
  });
});

test('an outage has a job given back with a pause that grows, and of what is to stop nothing begins', async () => {
  const { executionId, first, second } = await start('SCAN_DATA_EXPORT');
  const pauses: (number | undefined)[] = [];
  const runs = runTask({
    record: ports.record,
    journal: openPostgresJournal(database),
    queue: {
      done: async () => undefined,
      failed: async () => undefined,
      giveBack: async (_, pauseSeconds) => void pauses.push(pauseSeconds),
    },
    isToStop: async () => isStopping,
    isOutage: (error) => !(error instanceof PermanentFailure),
    onFailure: assert.fail,
  });
  let isStopping = false;
  let begun = 0;
  const handler: AnyJobHandler = {
    kind: 'SCAN_DATA_EXPORT',
    parameters: z.object({}),
    async run() {
      begun += 1;
      throw new Error('away');
    },
  };
  const job = { ...jobOf('SCAN_DATA_EXPORT'), ...first, workerId: 'a', isLast: false, kind: handler.kind };
  for (const turn of [0, 1, 2, 20]) await runs(handler, { ...job, turn }, new AbortController().signal);
  assert.deepEqual(pauses, [5, 10, 20, 300]);
  isStopping = true;
  for (const { taskId, jobId } of [first, second])
    await runs(handler, { ...job, taskId, jobId, turn: 30 }, new AbortController().signal);
  assert.equal(begun, 4);
  await until(
    'all is stopped',
    async () => (await execution(inExecutions, executionId))?.status === 'Stopped',
  );
});
