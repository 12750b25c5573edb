import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queueDecider } from '../../domain/queue/decider.ts';
import { scheduleDecider } from '../../domain/schedule/decider.ts';
import type { ScheduleEvent } from '../../domain/schedule/events.ts';
import { given } from '../given.ts';

const settings = {
  kind: 'RETENTION',
  vendorId: 3,
  type: 'Daily',
  cron: '0 0 0 * * *',
  parameters: {},
} as const;
const since = '2026-11-28T08:00:00.000Z';
const set = (scheduleId: number, more: object = {}): ScheduleEvent => ({
  type: 'ScheduleSet',
  data: { scheduleId, ...settings, since, ...more },
});
const setAgain = (scheduleId: number, more: object = {}) =>
  ({ do: 'set', scheduleId, ...settings, since, ...more }) as const;
const midnight = (day: number) => `2026-11-${day}T00:00:00.000Z`;
const started = { executionId: 17, taskId: 41, jobId: 'job' };
const fired = (dueAt: string): ScheduleEvent => ({
  type: 'ScheduleFired',
  data: { scheduleId: 5, ...settings, since, dueAt, ...started },
});
const fire = (dueAt: string, running?: number) =>
  ({ do: 'fire', scheduleId: 5, cron: settings.cron, dueAt, running, ...started }) as const;

test('a schedule is set, keeps its number when it changes, and is as it was when the same is asked for', () => {
  given(scheduleDecider).when(setAgain(5)).then(set(5));
  const weekly = { type: 'Weekly', cron: '0 0 0 * * 0', since: '2026-11-28T09:00:00.000Z' };
  given(scheduleDecider, set(5)).when(setAgain(6, weekly)).then(set(5, weekly));
  given(scheduleDecider, set(5))
    .when(setAgain(6, { since: '2026-11-28T09:00:00.000Z' }))
    .then();
});

test('one that has fired in the future is set anew by asking for the same', () => {
  given(scheduleDecider, set(5), fired('2036-11-28T00:00:00.000Z')).when(setAgain(6)).then(set(5));
});

test('a schedule without a cron, or with one that is never due, is refused', () => {
  for (const cron of ['', 'daily', '0 0 0 30 2 *'])
    given(scheduleDecider).when(setAgain(5, { cron })).thenRefused({ kind: 'cron-invalid', cron });
});

test('for each time that is due one execution is started, whoever comes second and whatever the clock says', () => {
  given(scheduleDecider, set(5))
    .when(fire(midnight(29)))
    .then(fired(midnight(29)));
  given(scheduleDecider, set(5), fired(midnight(29)))
    .when(fire(midnight(29)))
    .then();
  given(scheduleDecider, set(5), fired(midnight(30)))
    .when(fire(midnight(29)))
    .then();
  given(scheduleDecider, set(5), fired(midnight(29)))
    .when(fire(midnight(30)))
    .then(fired(midnight(30)));
});

test('what was due before the schedule was set does not count', () => {
  given(scheduleDecider, set(5))
    .when(fire(midnight(28)))
    .then();
});

test('while what it has started runs it is skipped, and that is recorded once', () => {
  const skipped: ScheduleEvent = {
    type: 'ScheduleSkipped',
    data: { scheduleId: 5, ...settings, since, dueAt: midnight(29), executionId: 16 },
  };
  given(scheduleDecider, set(5))
    .when(fire(midnight(29), 16))
    .then(skipped);
  given(scheduleDecider, set(5), skipped)
    .when(fire(midnight(29)))
    .then();
});

test('a schedule that is gone, was made anew or has another cron by now does not fire', () => {
  const removed: ScheduleEvent = {
    type: 'ScheduleRemoved',
    data: { scheduleId: 5, kind: 'RETENTION', vendorId: 3 },
  };
  given(scheduleDecider, set(5), removed)
    .when(fire(midnight(29)))
    .then();
  given(scheduleDecider, set(5), removed, set(6))
    .when(fire(midnight(29)))
    .then();
  given(scheduleDecider, set(5, { cron: '0 0 1 * * *' }))
    .when(fire(midnight(29)))
    .then();
  given(scheduleDecider, set(5)).when({ do: 'remove' }).then(removed);
  given(scheduleDecider, set(5), removed).when({ do: 'remove' }).then();
});

test('the last event of a schedule says all that a decision needs', () => {
  const history = [set(5), fired(midnight(29)), fired(midnight(30))];
  const [last = assert.fail()] = history.slice(-1);
  assert.deepEqual(
    scheduleDecider.evolve(null, last),
    history.reduce(scheduleDecider.evolve, scheduleDecider.initial),
  );
});

test('a queue is paused once, and resumed once', () => {
  const paused = { type: 'QueuePaused', data: { kind: 'RETENTION' } } as const;
  given(queueDecider).when({ do: 'pause', kind: 'RETENTION' }).then(paused);
  given(queueDecider, paused).when({ do: 'pause', kind: 'RETENTION' }).then();
  given(queueDecider).when({ do: 'resume', kind: 'RETENTION' }).then();
});
