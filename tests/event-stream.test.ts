import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { PublicEvent } from '../domain/public-event/public-event.ts';
import { RequestRefused } from '../gateway/errors.ts';
import { eventStream } from '../gateway/events/event-stream.ts';
import type { FeedPart } from '../gateway/events/feed.ts';
import { streamPlaces } from '../gateway/events/stream-places.ts';

const anEvent = (position: bigint): PublicEvent => ({
  ...{
    id: `e${position}`,
    position,
    stream: 'tag/a',
    revision: position,
    type: 'tag.moved',
    time: new Date(0),
  },
  ...{ result: 'done', need: 'read', data: {} },
});
const text = 'x'.repeat(1000);
const fail = (error: unknown) => assert.fail(String(error));

test('nothing is taken of a feed while nobody reads the stream, and then everything in order', async () => {
  let taken = 0;
  const parts = 2000;
  async function* feed(): AsyncGenerator<FeedPart> {
    for (; taken < parts; taken++) {
      const event = anEvent(BigInt(taken + 1));
      yield { told: [{ event, shown: { showsOrigin: false } }], position: event.position };
    }
  }
  const options = { after: 0n, heartbeatMs: 60_000, textOf: () => text, onFailure: fail };
  const stream = eventStream(feed(), options);
  let read = '';
  stream.once('readable', () => (read += stream.read(1)));
  for (let n = 0; n < 1000; n++) await turn();
  assert.ok(taken < 200, `${taken} parts were taken for nobody`);
  for await (const chunk of stream) read += chunk;
  assert.equal(taken, parts);
  assert.deepEqual(
    [...read.matchAll(/^id: (\d+)\nevent: tag/gm)].map(([, id]) => Number(id)),
    Array.from({ length: parts }, (_, index) => index + 1),
  );
});

test('a stream ends where its feed fails, and whoever runs it is told', async () => {
  const failures: unknown[] = [];
  async function* feed(): AsyncGenerator<FeedPart> {
    yield { told: [], position: 1n };
    throw new Error('the log is away');
  }
  const options = { after: 0n, heartbeatMs: 60_000, textOf: () => text };
  const stream = eventStream(feed(), { ...options, onFailure: (error) => failures.push(error) });
  let read = '';
  for await (const chunk of stream) read += chunk;
  assert.match(read, /^retry: \d+\n\nid: 0\nevent: checkpoint\ndata: \{"position":"0"\}\n\n$/);
  assert.equal(failures.length, 1);
});

test('a place is given back once, and there are no more than there are', () => {
  const take = streamPlaces({ maxStreams: 3, maxStreamsPerAccount: 2 });
  const refusedWith = (status: number) => (error: unknown) =>
    error instanceof RequestRefused && error.answer.status === status;
  const first = take('ada');
  take('ada');
  assert.throws(() => take('ada'), refusedWith(429));
  take('bob');
  assert.throws(() => take('eve'), refusedWith(503));
  first();
  first();
  take('eve');
  assert.throws(() => take('bob'), refusedWith(503));
});
