import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { type EventStoreLogOptions, openEventStoreLog } from '../../infra/event-log/eventstoredb.ts';
import { connect } from '../../infra/event-log/eventstoredb-client.ts';
import { madeAtMs } from '../../infra/event-log/ids.ts';
import { AppendTooLarge, type EventLog, LogUnavailable } from '../../infra/event-log/port.ts';
import { until } from '../until.ts';
import { anEvent, assertRecorded, follow, largeEvent, readWhole, someEvents } from './event-log-samples.ts';
import { type Peer, startPeer } from './eventstoredb-peer/start.ts';

const urlOf = ({ port }: Peer): string => `esdb://127.0.0.1:${port}?tls=false`;

async function open(t: TestContext, options: EventStoreLogOptions): Promise<EventLog> {
  const log = await openEventStoreLog(options);
  t.after(() => log.close());
  return log;
}

test('an append over the MaxAppendSize of the server is too large, and a smaller one is taken', async (t) => {
  const log = await open(t, { connectionString: urlOf(await startPeer(t)) });
  await assert.rejects(log.append('tag/a', 'none', [largeEvent(1024 * 1024)]), (error) => {
    assert.ok(error instanceof AppendTooLarge);
    assert.match(error.message, /1048576 bytes/);
    assert.ok(error.cause instanceof Error);
    return true;
  });
  const event = largeEvent(1000 * 1024);
  await log.append('tag/a', 'none', [event]);
  assertRecorded((await log.readStream('tag/a')).events, 'tag/a', [event]);
});

test('two prefixes on one server are two logs', async (t) => {
  const connectionString = urlOf(await startPeer(t));
  const logs = [
    await open(t, { connectionString, streamPrefix: 'north-' }),
    await open(t, { connectionString, streamPrefix: 'south-' }),
  ] as const;
  const followers = logs.map((log) => follow(log));
  const events = someEvents(2);
  const positions: bigint[] = [];
  for (const [n, log] of logs.entries())
    positions.push(await log.append('tag/a', 'none', events.slice(n, n + 1)));
  for (const [n, log] of logs.entries()) {
    assert.equal(await log.head(), positions[n]);
    assertRecorded(await readWhole(log), 'tag/a', events.slice(n, n + 1));
    await followers[n]?.has(1);
    await followers[n]?.stop();
    assertRecorded(followers[n]?.events ?? [], 'tag/a', events.slice(n, n + 1));
  }
});

test('the head is found behind many events of others', async (t) => {
  const connectionString = urlOf(await startPeer(t));
  const log = await open(t, { connectionString });
  const position = await log.append('tag/a', 'none', [anEvent()]);
  const others = await open(t, { connectionString, streamPrefix: 'others-' });
  await others.append('tag/a', 'none', someEvents(900));
  assert.equal(await log.head(), position);
  await others.append('tag/a', 'any', someEvents(900));
  assert.equal(await log.head(), position);
  assert.equal(await (await open(t, { connectionString })).head(), position);
});

test('a cluster is found by the gossip of one of its nodes', async (t) => {
  const { port } = await startPeer(t);
  const log = await open(t, { connectionString: `esdb+discover://127.0.0.1:${port}?tls=false` });
  const position = await log.append('tag/a', 'none', [anEvent()]);
  assert.equal(await log.head(), position);
});

test('an append without expectations is recognised when the server has forgotten its ids', async (t) => {
  const peer = await startPeer(t);
  const log = await open(t, { connectionString: urlOf(peer) });
  const events = someEvents(3);
  const position = await log.append('tag/a', 'any', events);
  await log.append('tag/a', 'any', someEvents(50));
  await peer.restart();
  const madeAt = madeAtMs(events[0]?.id ?? '') ?? assert.fail();
  await until('a real server could have started', () => Date.now() > madeAt + 1000);
  const late = await open(t, { connectionString: urlOf(peer) });
  assert.equal(await late.append('tag/a', 'any', events), position);
  assert.equal((await late.readStream('tag/a')).revision, 52n);
});

test('a server that does not answer is unavailable, and works again when it does', async (t) => {
  const peer = await startPeer(t);
  const log = await open(t, { connectionString: urlOf(peer), timeoutMs: 1000 });
  const events = someEvents(2);
  const goOn = peer.stall();
  t.after(goOn);
  for (const refused of [
    () => log.append('tag/a', 'none', events),
    () => log.append('tag/a', 'any', [anEvent()]),
    () => log.readStream('tag/a'),
    () => log.head(),
    () => readWhole(log),
  ])
    await assert.rejects(refused, LogUnavailable);
  goOn();
  await log.append('tag/a', 'none', events);
  assertRecorded((await log.readStream('tag/a')).events.slice(0, 2), 'tag/a', events);
});

test('an event under the prefix that Shiplog has not written is not skipped', async (t) => {
  const peer = await startPeer(t);
  const log = await open(t, { connectionString: urlOf(peer) });
  const first = anEvent();
  await log.append('tag/a', 'none', [first]);
  // With credentials the client appends without its batches, which the peer does not serve.
  const stranger = EventStoreDBClient.connectionString(urlOf(peer));
  const credentials = { username: 'admin', password: 'changeit' };
  await stranger.appendToStream('shiplog-tag/a', jsonEvent({ type: 'Odd', data: {} }), { credentials });

  await assert.rejects(readWhole(log), LogUnavailable);
  await assert.rejects(log.readStream('tag/a'), LogUnavailable);
  const follower = follow(log);
  await assert.rejects(follower.ended, LogUnavailable);
  assertRecorded(follower.events, 'tag/a', [first]);
});

test('a stream name that cannot be written as UTF-8 is refused', async (t) => {
  const log = await open(t, { connectionString: urlOf(await startPeer(t)) });
  for (const stream of ['', 'tag/\ud83d'])
    await assert.rejects(log.append(stream, 'none', [anEvent()]), RangeError);
  assert.equal(await log.head(), 0n);
});

test('where no server listens the log does not open', async (t) => {
  const { port } = await startPeer(t);
  const nobody = { connectionString: `esdb://127.0.0.2:${port}?tls=false` };
  await assert.rejects(openEventStoreLog(nobody), LogUnavailable);
});

test('a malformed connection string is refused without being quoted', async () => {
  const options = { connectionString: 'esdb://admin:secret@127.0.0.1:2113?tls=perhaps' };
  await assert.rejects(openEventStoreLog(options), (error) => {
    assert.ok(error instanceof TypeError && error.cause === undefined);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
});

test('an append beside a call that loses the connection settles', async (t) => {
  const { client, close } = connect(urlOf(await startPeer(t)));
  t.after(close);
  const append = () => client.appendToStream('beside', jsonEvent({ type: 'T', data: {} }));
  await append();
  const lost = Object.assign(new Error('the connection is lost'), { code: 14, details: '' });
  const internals = client as unknown as {
    execute(stub: unknown, name: string, action: () => Promise<never>): Promise<never>;
  };
  const { streams_grpc_pb } = await import('./eventstoredb-peer/messages.ts');
  for (let microtasks = 0; microtasks < 12; microtasks++) {
    const failing = internals.execute(streams_grpc_pb.StreamsClient, 'lost', () => Promise.reject(lost));
    for (let n = 0; n < microtasks; n++) await null;
    const settled = append().then(
      () => true,
      () => true,
    );
    await assert.rejects(failing, lost);
    assert.ok(await settled);
  }
});
