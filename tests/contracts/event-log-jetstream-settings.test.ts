import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { connect, type NatsConnection, nanos, StorageType } from 'nats';
import { v7 } from 'uuid';
import { openJetStreamLog } from '../../infra/event-log/jetstream.ts';
import { encodeEvents, encodePayload } from '../../infra/event-log/jetstream-message.ts';
import { LogUnavailable } from '../../infra/event-log/port.ts';
import { type NatsServerSettings, natsVersion, startNatsServer } from '../nats-server.ts';
import { findTools, requireTool } from '../tool.ts';
import { until } from '../until.ts';
import { anEvent, assertOneHistory, follow, idsOf, readWhole, someEvents } from './event-log-samples.ts';

interface Engine {
  readonly servers: string[];
  /** A client that knows nothing of the log. */
  readonly nats: NatsConnection;
}

async function startEngine(t: TestContext, settings?: NatsServerSettings): Promise<Engine | undefined> {
  const program = requireTool(t, 'nats-server');
  return program === undefined ? undefined : startProgram(t, program, settings);
}

async function startProgram(t: TestContext, program: string, settings?: NatsServerSettings): Promise<Engine> {
  const server = await startNatsServer(program, settings);
  const servers = [`127.0.0.1:${server.port}`];
  const nats = await connect({ servers });
  t.after(async () => {
    await nats.close();
    await server.stop();
  });
  return { servers, nats };
}

test('jetstream: a server that cannot take the largest append is refused by the name of its setting', async (t) => {
  const engine = await startEngine(t, { maxPayload: '1MB' });
  if (engine === undefined) return;
  await assert.rejects(openJetStreamLog({ servers: engine.servers, streamName: 'log' }), (error) => {
    assert.ok(error instanceof LogUnavailable);
    assert.match(error.message, /max_payload/);
    return true;
  });
});

test('jetstream: a server that is not there is unavailable', async () => {
  // Port 1 is reserved, and nothing listens there.
  await assert.rejects(openJetStreamLog({ servers: ['127.0.0.1:1'], streamName: 'log' }), LogUnavailable);
});

test('jetstream: replicas are refused on a server that would take conflicting appends', async (t) => {
  const old = findTools('nats-server').find((program) => natsVersion(program).number < 2011);
  if (old === undefined) return t.skip('no nats-server on this machine is older than 2.11');
  const { servers } = await startProgram(t, old);
  await assert.rejects(openJetStreamLog({ servers, streamName: 'log', replicas: 3 }), (error) => {
    assert.ok(error instanceof LogUnavailable);
    assert.match(error.message, /2\.11/);
    return true;
  });
});

test('jetstream: a stream that could lose events is refused with what is wrong with it', async (t) => {
  const engine = await startEngine(t);
  if (engine === undefined) return;
  const manager = await engine.nats.jetstreamManager();
  await manager.streams.add({ name: 'old', subjects: ['old.*'], max_age: nanos(60_000) });
  await manager.streams.add({ name: 'memory', subjects: ['memory.*'], storage: StorageType.Memory });
  for (const [streamName, wrong] of [
    ['old', /max_age: 0/],
    ['memory', /storage: file/],
  ] as const)
    await assert.rejects(openJetStreamLog({ servers: engine.servers, streamName }), (error) => {
      assert.ok(error instanceof LogUnavailable);
      assert.match(error.message, wrong);
      return true;
    });
});

test('jetstream: the duplicate window of an existing stream becomes what is asked for, or stays', async (t) => {
  const engine = await startEngine(t);
  if (engine === undefined) return;
  const manager = await engine.nats.jetstreamManager();
  const windowAfter = async (duplicateWindowMs?: number) => {
    const options = { servers: engine.servers, streamName: 'log' };
    const log = await openJetStreamLog(
      duplicateWindowMs === undefined ? options : { ...options, duplicateWindowMs },
    );
    await log.close();
    return (await manager.streams.info('log')).config.duplicate_window;
  };
  assert.equal(await windowAfter(), nanos(60 * 60 * 1000));
  assert.equal(await windowAfter(5000), nanos(5000));
  assert.equal(await windowAfter(), nanos(5000));
});

test('jetstream: no client can delete an event', async (t) => {
  const engine = await startEngine(t);
  if (engine === undefined) return;
  const log = await openJetStreamLog({ servers: engine.servers, streamName: 'log' });
  t.after(() => log.close());
  await log.append('tag/a', 'none', [anEvent()]);
  const manager = await engine.nats.jetstreamManager();
  await assert.rejects(manager.streams.deleteMessage('log', 1));
  await assert.rejects(manager.streams.purge('log'));
  assert.equal((await readWhole(log)).length, 1);
});

test('jetstream: a repeat is recognised after the server has forgotten its id', async (t) => {
  const engine = await startEngine(t);
  if (engine === undefined) return;
  const duplicateWindowMs = 200;
  const log = await openJetStreamLog({ servers: engine.servers, streamName: 'log', duplicateWindowMs });
  t.after(() => log.close());
  const anHourAgo = () => v7({ msecs: Date.now() - 60 * 60 * 1000 });
  const repeated = [
    { ...anEvent(), id: anHourAgo() },
    { ...anEvent(), id: anHourAgo() },
  ];
  const position = await log.append('tag/a', 'any', repeated);
  await log.append('tag/a', 'any', someEvents(3));

  // Shown by an id that the server takes again.
  const stream = engine.nats.jetstream();
  const probe = () => stream.publish('log.probe', probePayload, { msgID: 'probe' });
  const probePayload = encodePayload(
    { stream: 'probe', revision: 0, previous: 0, notBefore: 0 },
    encodeEvents({ stream: 'probe', expectedRevision: 'any', events: [anEvent()] }),
  );
  await probe();
  await until('the server forgot the id', async () => !(await probe()).duplicate);

  assert.equal(await log.append('tag/a', 'any', repeated), position);
  assert.equal((await log.readStream('tag/a')).revision, 4n);
});

test('jetstream: a subscription outlives its consumer', async (t) => {
  const engine = await startEngine(t);
  if (engine === undefined) return;
  const log = await openJetStreamLog({ servers: engine.servers, streamName: 'log' });
  t.after(() => log.close());
  const manager = await engine.nats.jetstreamManager();
  const events = someEvents(30);
  const follower = follow(log);
  for (const [n, event] of events.entries()) {
    await log.append('tag/a', 'any', [event]);
    if (n % 10 === 5) {
      for (const { name } of await manager.consumers.list('log').next())
        await manager.consumers.delete('log', name);
    }
  }
  await follower.has(30);
  await follower.stop();
  assertOneHistory(follower.events);
  assert.deepEqual(idsOf(follower.events), idsOf(events));
});

test('jetstream: reading leaves no consumer behind, and none that the server would keep', async (t) => {
  const engine = await startEngine(t);
  if (engine === undefined) return;
  const log = await openJetStreamLog({ servers: engine.servers, streamName: 'log' });
  t.after(() => log.close());
  const manager = await engine.nats.jetstreamManager();
  const consumers = () => manager.consumers.list('log').next();
  for (const event of someEvents(100)) await log.append('tag/a', 'any', [event]);

  const follower = follow(log);
  await follower.has(100);
  for (const { config } of await consumers()) {
    assert.equal(config.durable_name, undefined);
    assert.ok((config.inactive_threshold ?? 0) > 0);
  }
  await follower.stop();
  await log.readStream('tag/a');
  for await (const _ of log.readAll(0n)) break;
  await until('all consumers are gone', async () => (await consumers()).length === 0);
});

test('jetstream: recordedAt is never before what the writer had read, whatever the clock says', async (t) => {
  const engine = await startEngine(t);
  if (engine === undefined) return;
  const options = { servers: engine.servers, streamName: 'log' };
  const log = await openJetStreamLog(options);
  t.after(() => log.close());
  // As if a server had stored it whose clock was an hour ahead.
  const ahead = Date.now() + 60 * 60 * 1000;
  const head = { stream: 'tag/a', revision: 0, previous: 0, notBefore: ahead };
  const events = encodeEvents({ stream: 'tag/a', expectedRevision: 'none', events: [anEvent()] });
  await engine.nats.jetstream().publish('log.tag/a', encodePayload(head, events));
  await log.append('tag/a', 0n, [anEvent()]);
  await log.append('tag/b', 'none', [anEvent()]);
  const other = await openJetStreamLog(options);
  t.after(() => other.close());
  await other.append('tag/a', 1n, [anEvent()]);

  const whole = await readWhole(log);
  assertOneHistory(whole);
  assert.deepEqual(
    whole.map(({ recordedAt }) => recordedAt.getTime()),
    [ahead, ahead, ahead, ahead],
  );
});
