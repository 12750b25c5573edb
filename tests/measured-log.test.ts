import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecordedEvent } from '../domain/event.ts';
import { type EventLog, LogUnavailable, type NewEvent, RevisionConflict } from '../infra/event-log/port.ts';
import { measuredLog } from '../infra/telemetry/measured-log.ts';
import { createMetrics } from '../infra/telemetry/metrics.ts';
import { startTracing } from '../infra/telemetry/tracing.ts';
import { startCollector } from './otlp-collector.ts';

const event: NewEvent = {
  id: '0193b3a0-0000-7000-8000-000000000000',
  type: 'TagAssigned',
  version: 1,
  data: {},
  metadata: { actor: 'user:admin' },
};

/** Answers every call with what it was called with, so that a test sees what was passed through. */
function echo(append: () => Promise<bigint>) {
  const calls: unknown[][] = [];
  const note = (...call: unknown[]) => {
    calls.push(call);
  };
  async function* none(): AsyncIterable<RecordedEvent[]> {
    yield* [];
  }
  const log: EventLog = {
    engine: 'echo',
    appendsManyAtomically: true,
    append(...args) {
      note('append', ...args);
      return append();
    },
    appendMany(...args) {
      note('appendMany', ...args);
      return append();
    },
    async readStream(...args) {
      note('readStream', ...args);
      return { events: [], revision: 'none' };
    },
    readAll(...args) {
      note('readAll', ...args);
      return none();
    },
    readAt(...args) {
      note('readAt', ...args);
      return none();
    },
    subscribe(...args) {
      note('subscribe', ...args);
      return none();
    },
    async head() {
      note('head');
      return 7n;
    },
    async close() {
      note('close');
    },
  };
  return { log, calls };
}

test('appends are timed and their events counted; conflicts are counted and go on, as do outages', async () => {
  const metrics = createMetrics();
  let answer = () => Promise.resolve(7n);
  const log = measuredLog(echo(() => answer()).log, metrics);
  const samples = async () => {
    const text = await metrics.registry.metrics();
    return ['append_duration_seconds_count', 'appended_events_total', 'conflicts_total'].map((name) =>
      Number(text.match(new RegExp(`^shiplog_log_${name} (.*)$`, 'm'))?.[1]),
    );
  };

  assert.equal(await log.append('tag/a', 'none', [event, event]), 7n);
  const appends = [{ stream: 'tag/a', expectedRevision: 'any', events: [event] }] as const;
  assert.equal(await log.appendMany([...appends, ...appends]), 7n);
  assert.deepEqual(await samples(), [2, 4, 0]);

  answer = () => Promise.reject(new RevisionConflict('tag/a', 'none'));
  await assert.rejects(log.append('tag/a', 'none', [event]), RevisionConflict);
  answer = () => Promise.reject(new LogUnavailable('no'));
  await assert.rejects(log.append('tag/a', 'none', [event]), LogUnavailable);
  assert.deepEqual(await samples(), [2, 4, 1]);
});

test('everything is passed on as it came', async () => {
  const { log, calls } = echo(async () => 7n);
  const measured = measuredLog(log, createMetrics());
  const { signal } = new AbortController();
  assert.equal(measured.engine, 'echo');
  assert.equal(measured.appendsManyAtomically, true);
  await measured.append('tag/a', 3n, [event]);
  await measured.appendMany([]);
  await measured.readStream('tag/a', 2n);
  for await (const _ of measured.readAll(4n));
  for await (const _ of measured.subscribe(5n, signal));
  assert.equal(await measured.head(), 7n);
  await measured.close();
  assert.deepEqual(calls, [
    ['append', 'tag/a', 3n, [event]],
    ['appendMany', []],
    ['readStream', 'tag/a', 2n],
    ['readAll', 4n],
    ['subscribe', 5n, signal],
    ['head'],
    ['close'],
  ]);
});

test('an append is a span with its engine, stream and number of events', async (t) => {
  const { endpoint, spans } = await startCollector(t);
  const tracing = await startTracing({
    endpoint,
    urlPath: '/v1/traces',
    sampleRate: 1,
    insecure: true,
    timeoutMs: 5000,
    compression: false,
    serviceName: 'shiplog',
    version: '1',
  });
  t.after(() => tracing.stop());
  await measuredLog(echo(async () => 7n).log, createMetrics()).append('tag/a', 'none', [event]);
  await tracing.stop();
  assert.equal(spans[0]?.name, 'append');
  assert.deepEqual(spans[0]?.attributes, {
    'shiplog.engine': 'echo',
    'shiplog.stream': 'tag/a',
    'shiplog.events': 1,
  });
});
