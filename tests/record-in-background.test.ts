import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { backgroundRecorder } from '../commands/record-in-background.ts';
import { catalogue } from '../domain/catalogue.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import { type EventLog, LogUnavailable } from '../infra/event-log/port.ts';
import { openLog } from './contracts/event-log-postgres-client.ts';
import { startPostgres } from './postgres.ts';
import { until } from './until.ts';

const metadata = { actor: 'anonymous' };
const stream = 'logins/2026-11-23';
const login = (username: string) => ({ type: 'LoginFailed', data: { kind: 'user', username } }) as const;

/** A recorder on a log of its own; `before` is done before each append, and may fail in its place. */
async function start(
  t: TestContext,
  options: { capacity?: number; before?: () => Promise<void> | void } = {},
) {
  const { connection } = await startPostgres(t);
  const log = await openLog(JSON.stringify(connection()));
  t.after(() => log.close());
  const appends: number[] = [];
  const append: EventLog['append'] = async (to, expected, events) => {
    await options.before?.();
    const position = await log.append(to, expected, events);
    appends.push(events.length);
    return position;
  };
  const lost = { events: 0, errors: [] as unknown[] };
  const recorder = backgroundRecorder({
    log: { ...log, append },
    catalogue,
    newEventId,
    ...(options.capacity !== undefined && { capacity: options.capacity }),
    onDropped: (events) => {
      lost.events += events;
    },
    onError: (error) => lost.errors.push(error),
  });
  const recorded = async (of = stream) =>
    (await log.readStream(of)).events.map(({ data }) => (data as { username: string }).username);
  return { recorder, recorded, appends, lost, log };
}

const names = (count: number) => Array.from({ length: count }, (_, n) => `user-${n}`);

test('what is recorded at the same time is appended together, in its order and in bounded batches', async (t) => {
  const { recorder, recorded, appends, lost } = await start(t);
  for (const name of names(500)) recorder.record(stream, login(name), metadata);
  await recorder.flushed();
  assert.deepEqual(await recorded(), names(500));
  assert.deepEqual(appends, [200, 200, 100]);
  assert.equal(lost.events, 0);
});

test('events of several streams keep their order in each', async (t) => {
  const { recorder, recorded } = await start(t);
  for (const name of names(6)) {
    recorder.record(stream, login(name), metadata);
    recorder.record('logins/2026-11-24', login(`next-${name}`), metadata);
  }
  await recorder.flushed();
  assert.deepEqual(await recorded(), names(6));
  assert.deepEqual(
    await recorded('logins/2026-11-24'),
    names(6).map((name) => `next-${name}`),
  );
});

test('while the log is away events wait, and are recorded once when it is back', async (t) => {
  let attempts = 0;
  let isAway = true;
  const { recorder, recorded, lost } = await start(t, {
    before: () => {
      attempts += 1;
      if (isAway) throw new LogUnavailable('away');
    },
  });
  for (const name of names(10)) recorder.record(stream, login(name), metadata);
  await until('it was tried twice', () => attempts >= 2);
  isAway = false;
  await recorder.flushed();
  assert.deepEqual(await recorded(), names(10));
  assert.deepEqual([lost.events, lost.errors], [0, []]);
});

test('an append whose answer was lost is repeated with the same ids, and recorded once', async (t) => {
  const { connection } = await startPostgres(t);
  const log = await openLog(JSON.stringify(connection()));
  t.after(() => log.close());
  let answers = 0;
  const append: EventLog['append'] = async (...of) => {
    const position = await log.append(...of);
    answers += 1;
    if (answers === 1) throw new LogUnavailable('the answer was lost');
    return position;
  };
  const onError = (error: unknown) => assert.fail(String(error));
  const ports = { catalogue, newEventId, onDropped: () => assert.fail('an event was dropped'), onError };
  const recorder = backgroundRecorder({ log: { ...log, append }, ...ports });
  recorder.record(stream, login('once'), metadata);
  await recorder.flushed();
  assert.equal(answers, 2);
  assert.equal((await log.readStream(stream)).events.length, 1);
});

test('events beyond the capacity are dropped and counted, and nobody waits', async (t) => {
  const gate = Promise.withResolvers<void>();
  const { recorder, recorded, lost } = await start(t, { capacity: 10, before: () => gate.promise });
  for (const name of names(25)) recorder.record(stream, login(name), metadata);
  assert.equal(lost.events, 15);
  gate.resolve();
  await recorder.flushed();
  assert.deepEqual(await recorded(), names(10));
  recorder.record(stream, login('later'), metadata);
  await recorder.flushed();
  assert.deepEqual(await recorded(), [...names(10), 'later']);
});

test('what the log refuses is dropped, counted and told, and what comes after it is recorded', async (t) => {
  let isRefused = true;
  const { recorder, recorded, lost } = await start(t, {
    before: () => {
      if (isRefused) throw new Error('refused');
    },
  });
  recorder.record(stream, login('refused'), metadata);
  await recorder.flushed();
  isRefused = false;
  recorder.record(stream, login('next'), metadata);
  await recorder.flushed();
  assert.deepEqual(await recorded(), ['next']);
  assert.deepEqual([lost.events, lost.errors.length], [1, 1]);
});

test('a close records what is left, and takes nothing more', async (t) => {
  const { recorder, recorded, lost } = await start(t);
  for (const name of names(300)) recorder.record(stream, login(name), metadata);
  await recorder.close();
  recorder.record(stream, login('late'), metadata);
  assert.deepEqual(await recorded(), names(300));
  assert.equal(lost.events, 1);
});
