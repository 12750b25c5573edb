import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setSchedule } from '../../commands/set-schedule.ts';
import { stopTask } from '../../commands/stop-task.ts';
import { viewOf } from '../../infra/database/projection.ts';
import { execution, unfinishedTasks } from '../../projections/executions/queries.ts';
import { type SchedulesDatabase, schedules } from '../../projections/schedules/projection.ts';
import { allSchedules } from '../../projections/schedules/queries.ts';
import { fireSchedules } from '../../workers/fire-schedules.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { besideServer } from './job-workers.ts';

const server = await startServer({ after }, { environment: { SHIPLOG_JOBSERVICE_ENABLED: 'false' } });
const { ports, database, inExecutions, log } = await besideServer({ after }, server);
const inSchedules = viewOf<SchedulesDatabase>(database.kysely, schedules);
const metadata = { actor: 'user:admin' };

let paused: ReadonlySet<string> = new Set();
/** How often the schedules were read. */
let reads = 0;
/** Of which schedules it was said that they have fired in the future. */
const ahead: number[] = [];

/** A scheduler whose clock the test sets. */
function scheduler(clock: { now: string }) {
  const stopping = new AbortController();
  const running = fireSchedules({
    ...ports,
    allSchedules: (page) => {
      reads += 1;
      return allSchedules(inSchedules, page);
    },
    findExecution: (executionId) => execution(inExecutions, executionId),
    pausedKinds: async () => paused,
    now: () => new Date(clock.now),
    onAhead: ({ vendorId }) => void ahead.push(vendorId),
    onOutage: (error) => assert.fail(String(error)),
  })(stopping.signal);
  return async () => {
    stopping.abort();
    await running;
  };
}

/** What has happened to the schedule of `vendorId`, with the time that each was due. */
async function historyOf(vendorId: number) {
  const { events } = await log.readStream(`schedule/RETENTION/${vendorId}`);
  return events.map(({ type, data }) => [type, (data as { dueAt?: string }).dueAt?.slice(0, 16)]);
}
const set = (vendorId: number, now: string) =>
  setSchedule({ ...ports, now: () => new Date(now) })(
    { kind: 'RETENTION', vendorId, type: 'Hourly', cron: '0 0 * * * *', parameters: {} },
    metadata,
  );
const untilThereAre = (vendorId: number, events: number) =>
  until(`there are ${events} events`, async () => (await historyOf(vendorId)).length >= events);

/** Ends what the schedule of `vendorId` has started last, as if it had run. */
async function endLast(vendorId: number): Promise<void> {
  const { events } = await log.readStream(`schedule/RETENTION/${vendorId}`);
  const { data } = events.findLast(({ type }) => type === 'ScheduleFired') ?? assert.fail('it has not fired');
  const { executionId } = data as { executionId: number };
  const open = () => unfinishedTasks(inExecutions, { executionId, after: 0, limit: 100 });
  await until('it has begun', async () => (await open()).length > 0);
  for (const task of await open()) await stopTask(ports)(task, metadata);
  await until(
    'it has ended',
    async () => (await execution(inExecutions, executionId))?.endedAt !== undefined,
  );
}

test('of two schedulers one fires, once for all that was missed, and not again when the clock goes back', async () => {
  await set(1, '2030-01-01T08:30:00Z');
  const clock = { now: '2030-01-01T08:59:59Z' };
  const stops = [scheduler(clock), scheduler(clock), scheduler(clock)];
  clock.now = '2030-01-01T09:00:00Z';
  await untilThereAre(1, 2);
  await endLast(1);

  // The clock jumps over a year.
  clock.now = '2031-01-01T09:30:00Z';
  await untilThereAre(1, 3);
  await endLast(1);

  // And back to where it was, and on.
  clock.now = '2030-01-01T10:30:00Z';
  await set(2, '2030-01-01T09:30:00Z');
  await untilThereAre(2, 2);
  for (const stop of stops) await stop();
  assert.deepEqual(await historyOf(1), [
    ['ScheduleSet', undefined],
    ['ScheduleFired', '2030-01-01T09:00'],
    ['ScheduleFired', '2031-01-01T09:00'],
  ]);
  assert.deepEqual(await historyOf(2), [
    ['ScheduleSet', undefined],
    ['ScheduleFired', '2030-01-01T10:00'],
  ]);
});

test('a schedule is skipped while what it has started runs, and recorded so', async () => {
  await set(3, '2030-01-01T08:30:00Z');
  const clock = { now: '2030-01-01T09:00:00Z' };
  const stop = scheduler(clock);
  await untilThereAre(3, 2);
  clock.now = '2030-01-01T10:00:00Z';
  await untilThereAre(3, 3);
  await endLast(3);
  clock.now = '2030-01-01T11:00:00Z';
  await untilThereAre(3, 4);
  await stop();
  assert.deepEqual(
    (await historyOf(3)).map(([type]) => type),
    ['ScheduleSet', 'ScheduleFired', 'ScheduleSkipped', 'ScheduleFired'],
  );
});

test('while the scheduler is paused nothing fires, and what is due does not have all schedules read', async () => {
  await set(4, '2030-01-01T08:30:00Z');
  const clock = { now: '2030-01-01T08:30:00Z' };
  paused = new Set(['SCHEDULER']);
  const stop = scheduler(clock);
  const before = reads;
  clock.now = '2030-01-01T09:30:00Z';
  await sleep(3500);
  assert.ok(reads - before <= 1, `they were read ${reads - before} times`);
  assert.equal((await historyOf(4)).length, 1);
  paused = new Set();
  await untilThereAre(4, 2);
  await stop();
});

test('it is told once of a schedule that has fired by a clock that was more than a day ahead', async () => {
  const clock = { now: '2030-01-01T11:30:00Z' };
  ahead.length = 0;
  const stop = scheduler(clock);
  await until('it is told', () => ahead.includes(1));
  await stop();
  assert.equal(ahead.filter((vendorId) => vendorId === 1).length, 1);
});
