import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catalogue, currentVersion } from '../../domain/catalogue.ts';
import type { DomainEvent } from '../../domain/event.ts';
import { viewOf } from '../../infra/database/projection.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { type ExecutionsDatabase, executions } from '../../projections/executions/projection.ts';
import {
  execution,
  executions as listExecutions,
  queueLengths,
  task,
  taskOfJob,
  tasks,
  unfinishedTasks,
} from '../../projections/executions/queries.ts';
import type { Listing } from '../../projections/listing.ts';
import { queues } from '../../projections/queues/projection.ts';
import { schedules } from '../../projections/schedules/projection.ts';
import { rowsAfter } from './views-rows.ts';
import { run, startSetting } from './views-setting.ts';

const which = (executionId: number, kind = 'RETENTION', vendorId = 3) => ({ executionId, kind, vendorId });
const started = (executionId: number, kind?: string, vendorId?: number): DomainEvent => ({
  type: 'ExecutionStarted',
  data: { ...which(executionId, kind, vendorId), trigger: 'MANUAL', parameters: { dry_run: true } },
});
const requested = (executionId: number, taskIds: readonly number[], kind?: string): DomainEvent => ({
  type: 'TasksRequested',
  data: {
    ...which(executionId, kind),
    tasks: taskIds.map((taskId) => ({
      taskId,
      jobId: `job-${taskId}`,
      key: `${taskId}`,
      parameters: { taskId },
    })),
  },
});
const of = (taskId: number, executionId: number) => ({ taskId, executionId });
const begun = (taskId: number, executionId: number, attempt = 1): DomainEvent => ({
  type: 'TaskStarted',
  data: { ...of(taskId, executionId), attempt },
});
const failed = (taskId: number, executionId: number): DomainEvent => ({
  type: 'TaskAttemptFailed',
  data: { ...of(taskId, executionId), attempt: 1, message: 'away' },
});
const finished = (taskId: number, executionId: number, status: string): DomainEvent => ({
  type: 'TaskFinished',
  data: { ...of(taskId, executionId), status, result: { total: 9 }, message: '' },
});
const swept = (...executionIds: number[]): DomainEvent => ({
  type: 'ExecutionsSwept',
  data: { taskId: 99, executionIds },
});
const everything: Listing = { filters: [], sort: [], offset: 0, limit: undefined };

test('executions: each task as it was last, and how many there are of each status', async (t) => {
  const setting = await startSetting(t);
  const rows = await rowsAfter(setting, executions, [
    started(1),
    requested(1, [1, 2, 3]),
    begun(1, 1),
    failed(1, 1),
    begun(1, 1, 2),
    finished(1, 1, 'Success'),
    begun(2, 1),
    failed(2, 1),
    { type: 'TaskStopRequested', data: of(3, 1) },
    requested(1, [4]),
    begun(4, 1),
    started(2),
    requested(2, [5]),
    { type: 'ExecutionStopRequested', data: which(2) },
    finished(5, 2, 'Stopped'),
    started(3),
    requested(3, [6]),
    finished(6, 3, 'Error'),
    swept(3),
  ]);
  assert.deepEqual(
    rows.executions?.map(({ execution_id, pending, scheduled, running, success, error, stopped }) => [
      execution_id,
      { pending, scheduled, running, success, error, stopped },
    ]),
    [
      [1, { pending: 1, scheduled: 1, running: 1, success: 1, error: 0, stopped: 0 }],
      [2, { pending: 0, scheduled: 0, running: 0, success: 0, error: 0, stopped: 1 }],
    ],
  );
  assert.deepEqual(
    rows.tasks?.map(({ task_id, status, attempts, stop_requested }) => [
      task_id,
      status,
      attempts,
      stop_requested,
    ]),
    [
      [1, 'Success', 2, false],
      [2, 'Scheduled', 1, false],
      [3, 'Pending', 0, true],
      [4, 'Running', 1, false],
      [5, 'Stopped', 0, false],
    ],
  );
});

test('executions: an execution is what its tasks are together, and ends with the last of them', async (t) => {
  const setting = await startSetting(t);
  const views = await run(setting, { projections: [executions], catalogue });
  const db = viewOf<ExecutionsDatabase>(views.database.kysely, executions);
  const append = async (...history: DomainEvent[]) => {
    for (const { type, data } of history) {
      const version = currentVersion(catalogue, type);
      const event = { id: newEventId(), type, version, data, metadata: { actor: 'user:admin' } };
      await views.reached(await setting.log.append('test', 'any', [event]), [executions]);
    }
  };
  const statusOf = async (executionId: number) => {
    const found = await execution(db, executionId);
    return [found?.status, found?.endedAt !== undefined];
  };

  await append(started(1), requested(1, [1, 2]));
  assert.deepEqual(await statusOf(1), ['Pending', false]);
  await append(begun(1, 1));
  assert.deepEqual(await statusOf(1), ['Running', false]);
  await append(finished(1, 1, 'Stopped'));
  assert.deepEqual(await statusOf(1), ['Running', false]);
  await append(finished(2, 1, 'Error'));
  assert.deepEqual(await statusOf(1), ['Error', true]);
  await append(started(2), requested(2, [3]), begun(3, 2), failed(3, 2));
  assert.deepEqual(await statusOf(2), ['Scheduled', false]);
  await append(finished(3, 2, 'Success'));
  assert.deepEqual(await statusOf(2), ['Success', true]);
  await append(
    started(3, 'RETENTION', 4),
    requested(3, [4]),
    started(4, 'WEBHOOK'),
    requested(4, [5], 'WEBHOOK'),
  );
  assert.equal(await execution(db, 9), undefined);

  const listed = async (
    ...[ofVendor, listing = everything]: [Parameters<typeof listExecutions>[1], Listing?]
  ) => {
    const { rows, total } = await listExecutions(db, ofVendor, listing);
    return [rows.map(({ executionId }) => executionId), total];
  };
  assert.deepEqual(await listed({ kind: 'RETENTION', vendorId: 3 }), [[2, 1], 2]);
  assert.deepEqual(await listed({ kind: 'RETENTION' }), [[3, 2, 1], 3]);
  assert.deepEqual(await listed({ kind: ['RETENTION', 'WEBHOOK'] }, { ...everything, limit: 2, offset: 1 }), [
    [3, 2],
    4,
  ]);
  const erroneous = { ...everything, filters: [{ key: 'status', kind: 'is', value: 'Error' } as const] };
  assert.deepEqual(await listed({ kind: 'RETENTION' }, erroneous), [[1], 1]);

  const { rows: ofFirst } = await tasks(db, 1, everything);
  assert.deepEqual(
    ofFirst.map(({ taskId, status, result, parameters }) => [taskId, status, result, parameters]),
    [
      [1, 'Stopped', { total: 9 }, { taskId: 1 }],
      [2, 'Error', { total: 9 }, { taskId: 2 }],
    ],
  );
  assert.equal((await task(db, 1, 2))?.jobId, 'job-2');
  assert.equal(await task(db, 2, 2), undefined, 'another execution has it');
  assert.equal((await taskOfJob(db, 'job-3'))?.taskId, 3);
  assert.deepEqual(
    (await unfinishedTasks(db, { after: 0, limit: 10 })).map(({ taskId }) => taskId),
    [4, 5],
  );
  assert.deepEqual(
    (await queueLengths(db, ['WEBHOOK', 'SLACK'])).map(({ kind, waiting, since }) => [
      kind,
      waiting,
      since !== undefined,
    ]),
    [
      ['WEBHOOK', 1, true],
      ['SLACK', 0, false],
    ],
  );
});

const settings = {
  ...{ scheduleId: 5, kind: 'RETENTION', vendorId: 3, type: 'Daily', cron: '0 0 0 * * *', parameters: {} },
  since: '2026-11-28T08:00:00.000Z',
};

test('schedules: as they were set last, with what they started and were skipped for', async (t) => {
  const setting = await startSetting(t);
  const other = { ...settings, scheduleId: 6, vendorId: 4 };
  const { schedules: rows } = await rowsAfter(setting, schedules, [
    { type: 'ScheduleSet', data: settings },
    { type: 'ScheduleSet', data: other },
    {
      type: 'ScheduleFired',
      data: { ...settings, dueAt: '2026-11-29T00:00:00.000Z', executionId: 17, taskId: 1, jobId: 'job' },
    },
    { type: 'ScheduleSkipped', data: { ...settings, dueAt: '2026-11-30T00:00:00.000Z', executionId: 17 } },
    { type: 'ScheduleSet', data: { ...settings, cron: '0 0 1 * * *', since: '2026-12-01T00:00:00.000Z' } },
    { type: 'ScheduleRemoved', data: { scheduleId: 6, kind: 'RETENTION', vendorId: 4 } },
  ]);
  assert.deepEqual(
    rows?.map(({ schedule_id, cron, execution_id, done_up_to, skipped_at }) => [
      ...[schedule_id, cron, execution_id],
      ...[done_up_to, skipped_at].map((time) => (time as Date).toISOString()),
    ]),
    [[5, '0 0 1 * * *', 17, '2026-12-01T00:00:00.000Z', '2026-11-30T00:00:00.000Z']],
  );
});

test('queues: those that are paused', async (t) => {
  const setting = await startSetting(t);
  const { paused } = await rowsAfter(setting, queues, [
    { type: 'QueuePaused', data: { kind: 'RETENTION' } },
    { type: 'QueuePaused', data: { kind: 'WEBHOOK' } },
    { type: 'QueueResumed', data: { kind: 'RETENTION' } },
  ]);
  assert.deepEqual(
    paused?.map(({ kind }) => kind),
    ['WEBHOOK'],
  );
});
