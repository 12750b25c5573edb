import assert from 'node:assert/strict';
import type { RecordedEvent } from '../../domain/event.ts';
import { type EventLog, LogUnavailable } from '../../infra/event-log/port.ts';
import type { LogRule } from './event-log.ts';
import {
  anEvent,
  assertOneHistory,
  assertRecorded,
  follow,
  idsOf,
  largeEvent,
  readWhole,
  someEvents,
} from './event-log-samples.ts';
import { runSlowReader } from './event-log-slow-reader.ts';

const megabyte = 1024 * 1024;

async function readAt(log: EventLog, positions: readonly bigint[]): Promise<RecordedEvent[]> {
  const read: RecordedEvent[] = [];
  for await (const events of log.readAt(positions)) read.push(...events);
  return read;
}

export function readRules(rule: LogRule): void {
  rule('a stream is read from any revision, and always tells its own', async ({ log }) => {
    const events = someEvents(9);
    for (let from = 0; from < 9; from += 3) {
      await log.append('tag/a', 'any', events.slice(from, from + 3));
      await log.append('tag/b', 'any', someEvents(2));
    }
    for (let from = 0n; from < 12n; from++) {
      const slice = await log.readStream('tag/a', from);
      assert.equal(slice.revision, 8n);
      assertRecorded(slice.events, 'tag/a', events.slice(Number(from)), from);
    }
  });

  rule('a read and a subscription from any position give exactly what lies after it', async ({ log }) => {
    for (let n = 0; n < 12; n++) await log.append(`tag/${n % 3}`, 'any', someEvents(1 + (n % 4)));
    const whole = await readWhole(log);
    assertOneHistory(whole);
    assert.equal(whole.length, 30);
    assert.equal(await log.head(), whole.at(-1)?.position);

    const positions = whole.flatMap(({ position }) => [position - 1n, position]);
    for (const after of [0n, ...positions]) {
      const rest = whole.filter(({ position }) => position > after);
      assert.deepEqual(await readWhole(log, after), rest, `after ${after}`);
    }
    for (const after of [0n, ...positions.slice(20, 32)]) {
      const rest = whole.filter(({ position }) => position > after);
      const follower = follow(log, after);
      await follower.has(rest.length);
      await follower.stop();
      assert.deepEqual(follower.events, rest, `after ${after}`);
    }
    assert.deepEqual(await readWhole(log, (await log.head()) + 10_000n), []);
  });

  rule('events are read by their positions, and where there is none nothing is given', async ({ log }) => {
    for (let n = 0; n < 6; n++) await log.append(`tag/${n % 3}`, 'any', someEvents(1 + (n % 4)));
    const whole = await readWhole(log);
    const all = whole.map(({ position }) => position);
    assert.deepEqual(await readAt(log, all), whole);
    const some = whole.filter((_, index) => index % 3 === 1);
    assert.deepEqual(
      await readAt(
        log,
        some.map(({ position }) => position),
      ),
      some,
    );
    const [first, last] = [whole[0], whole.at(-1)] as [RecordedEvent, RecordedEvent];
    assert.deepEqual(await readAt(log, [0n, first.position, last.position, last.position + 100_000n]), [
      first,
      last,
    ]);
    assert.deepEqual(await readAt(log, []), []);

    for (let n = 0; n < 12; n++) await log.append('tag/large', 'any', [largeEvent(megabyte)]);
    const large = await readWhole(log, last.position);
    assert.deepEqual(
      await readAt(
        log,
        large.map(({ position }) => position),
      ),
      large,
    );
  });

  rule('a read ends although others go on appending', async ({ log, open }) => {
    const other = await open();
    await log.append('tag/a', 'any', someEvents(500));
    let reading = true;
    const append = async () => {
      while (reading) await other.append('tag/b', 'any', someEvents(10));
    };
    const appending = append();
    const seen = await readWhole(log);
    reading = false;
    await appending;
    assert.ok(seen.length >= 500);
    assert.deepEqual((await readWhole(log)).slice(0, seen.length), seen);
  });

  rule('a subscription goes on with what any client appends', async ({ log, open }) => {
    const other = await open();
    const events = someEvents(20);
    await log.append('tag/a', 'any', events.slice(0, 5));
    const follower = follow(log);
    await follower.has(5);
    for (const [n, event] of events.slice(5).entries()) {
      await (n % 2 ? log : other).append('tag/a', 'any', [event]);
      await follower.has(6 + n);
    }
    await follower.stop();
    assertRecorded(follower.events, 'tag/a', events);
  });

  rule('an aborted subscription ends without an error', async ({ log }) => {
    await log.append('tag/a', 'any', someEvents(3));
    for await (const _ of log.subscribe(0n, AbortSignal.abort())) assert.fail('nothing after the abort');

    const idle = follow(log);
    await idle.has(3);
    await idle.stop();

    const abort = new AbortController();
    let batches = 0;
    for await (const _ of log.subscribe(0n, abort.signal)) {
      batches++;
      abort.abort();
    }
    assert.equal(batches, 1, 'no batch after the abort');

    const waiting = log.subscribe(await log.head(), AbortSignal.timeout(50))[Symbol.asyncIterator]();
    assert.equal((await waiting.next()).done, true);
  });

  rule('subscriptions do not wait for each other', async ({ log }) => {
    for (let n = 0; n < 30; n++) await log.append('tag/a', 'any', [largeEvent(megabyte / 4)]);
    const stalled = log.subscribe(0n, new AbortController().signal)[Symbol.asyncIterator]();
    const first = await stalled.next();
    assert.equal(first.done, false);

    const follower = follow(log);
    await follower.has(30);
    await log.append('tag/a', 'any', [anEvent()]);
    await follower.has(31);

    const resumed: RecordedEvent[] = [...first.value];
    while (resumed.length < 31) resumed.push(...((await stalled.next()).value ?? assert.fail('it ended')));
    assert.deepEqual(resumed, follower.events);
    await stalled.return?.();
    await log.append('tag/a', 'any', [anEvent()]);
    await follower.has(32);
    await follower.stop();
  });

  rule('a reader that leaves early leaves the log well', async ({ log }) => {
    for (let n = 0; n < 20; n++) await log.append('tag/a', 'any', [largeEvent(megabyte / 2)]);
    for (let n = 0; n < 5; n++) {
      for await (const _ of log.readAll(0n)) break;
      for await (const _ of log.subscribe(0n, new AbortController().signal)) break;
    }
    assert.equal((await readWhole(log)).length, 20);
    await log.append('tag/a', 19n, [anEvent()]);
  });

  rule('nothing is read far ahead of a slow subscriber', async ({ log, writer }) => {
    const events = 120;
    for (let n = 0; n < events; n += 8)
      await Promise.all(
        Array.from({ length: 8 }, (_, k) => log.append(`tag/${k}`, 'any', [largeEvent(megabyte)])),
      );
    const { read, growthBytes } = await runSlowReader(writer, events);
    assert.equal(read, events);
    assert.ok(growthBytes < 64 * megabyte, `the reader held up to ${Math.round(growthBytes / megabyte)} MiB`);
  });

  rule('close ends a subscription', async ({ log }) => {
    await log.append('tag/a', 'any', someEvents(3));
    const follower = follow(log);
    await follower.has(3);
    await log.close();
    await follower.ended;
    assert.equal(follower.events.length, 3);
    await log.close();
  });

  rule('a read that close cuts short does not look whole', async ({ log, open }) => {
    for (let n = 0; n < 24; n++) await log.append('tag/a', 'any', [largeEvent(megabyte)]);
    const closing = await open();
    let read = 0;
    const readAndClose = async () => {
      for await (const batch of closing.readAll(0n)) {
        if (read === 0) await closing.close();
        read += batch.length;
      }
    };
    const outcome = await readAndClose().then(
      () => 'whole',
      (error: unknown) => error,
    );
    if (read < 24) assert.ok(outcome instanceof LogUnavailable, `ended with ${outcome} after ${read}`);
    for (const refused of [
      () => closing.append('tag/a', 'any', [anEvent()]),
      () => closing.readStream('tag/a'),
      () => closing.head(),
      () => readWhole(closing),
      () => readAt(closing, [1n]),
    ])
      await assert.rejects(refused, LogUnavailable);
  });

  rule('close finishes the appends that were accepted', async ({ log, open }) => {
    const closing = await open();
    const events = someEvents(100);
    const appends = events.map((event, n) => closing.append(`tag/${n % 10}`, 'any', [event]));
    await Promise.all([closing.close(), ...appends]);
    assert.deepEqual(idsOf(await readWhole(log)).sort(), idsOf(events).sort());
  });
}
