import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, type TestContext, test } from 'node:test';
import { catalogue } from '../domain/catalogue.ts';
import { postgresCheckpoints } from '../infra/checkpoints/postgres.ts';
import { aloneIn } from '../infra/database/alone.ts';
import { connectDatabase } from '../infra/database/connect.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import { openPostgresLog } from '../infra/event-log/postgres.ts';
import { jetStreamPublisher } from '../infra/event-publisher/jetstream.ts';
import { keepPublishing, type PublishingPorts } from '../workers/publish-events.ts';
import { anEvent } from './contracts/event-log-samples.ts';
import { type NatsServer, startNatsServer } from './nats-server.ts';
import { connectNats, readStream } from './nats-stream.ts';
import { startPostgres } from './postgres.ts';
import { startTcpProxy } from './tcp-proxy.ts';
import { findTool, requireTool } from './tool.ts';
import { until } from './until.ts';

const program = findTool('nats-server');
let engine: Promise<NatsServer> | undefined;
after(async () => (await engine)?.stop());

/** A log, a NATS server that can be away, and publishers between them; every tenth event stays inside. */
async function start(t: TestContext) {
  if (program === undefined) {
    requireTool(t, 'nats-server');
    return undefined;
  }
  engine ??= startNatsServer(program);
  const server = await engine;
  const way = await startTcpProxy(t, { port: server.port, host: '127.0.0.1' });
  const { connection } = await startPostgres(t);
  const database = await connectDatabase({ connection: connection(), poolSize: 8, waitMs: 30_000 });
  const log = await openPostgresLog(database);
  const nats = await connectNats(server.port);
  t.after(async () => {
    await nats.close();
    await log.close();
    await database.close();
  });
  const streamName = `events-${randomUUID()}`;
  const checkpoints = postgresCheckpoints(database);
  const failures: unknown[] = [];
  const warnings: string[] = [];
  const warn = (message: string) => warnings.push(message);

  function publish(more: Partial<PublishingPorts> = {}) {
    const settings = {
      streamName,
      subjectPrefix: streamName,
      replicas: 1,
      maxAgeMs: 3_600_000,
      maxBytes: -1,
    };
    const publishing = keepPublishing({
      ...{ log, catalogue, checkpoints, stream: 'test', from: 'beginning' },
      alone: aloneIn(database, 'publish'),
      publisher: jetStreamPublisher(
        { ...settings, connection: { servers: [`127.0.0.1:${way.port}`] } },
        { warn },
      ),
      outgoing: ({ id, position, data }) =>
        (data as { readonly inside?: boolean }).inside
          ? undefined
          : { id, position, project: 'library', type: 'tag.moved', cloudEvent: { id } },
      isOfLog: async ({ id, position }) => {
        for await (const [event] of log.readAll(position - 1n)) return event?.id === id;
        return false;
      },
      onPublished: () => undefined,
      onFailure: (error) => failures.push(error),
      warn,
      ...more,
    });
    t.after(() => publishing.stop());
    return publishing;
  }
  /** The ids of those that are for the outside. */
  const expected: string[] = [];
  async function append(count: number): Promise<void> {
    const events = Array.from({ length: count }, (_, n) => ({
      ...anEvent({ inside: n % 10 === 9 }),
      id: newEventId(),
    }));
    await log.append('tag/library/a:1', 'any', events);
    expected.push(...events.filter((_, n) => n % 10 !== 9).map(({ id }) => id));
  }
  const stored = async () => (await readStream(nats, streamName)).map(({ id }) => id);
  const manager = await nats.jetstreamManager();
  const count = async () => (await manager.streams.info(streamName).catch(() => undefined))?.state.messages;
  const holds = (messages: number) =>
    until(`the stream holds ${messages} events`, async () => (await count()) === messages, 60_000);
  return {
    ...{ server, way, log, manager, streamName, checkpoints, failures, warnings },
    ...{ publish, expected, append, stored, holds },
  };
}

test('what happens is published once and in order, also by a publisher that begins anew without its marks', async (t) => {
  const setting = await start(t);
  if (setting === undefined) return;
  const { publish, append, stored, expected, holds, checkpoints } = setting;
  await append(400);
  const first = publish();
  await append(300);
  await holds(expected.length);
  await until('it says so', async () => (await first.position()) === 700n);
  await first.stop();
  assert.equal(await checkpoints.read('events/test/taken'), 700n);

  for (const mark of ['start', 'published', 'taken']) await checkpoints.remove(`events/test/${mark}`);
  const second = publish({ from: 'now' });
  await append(300);
  await holds(expected.length);
  assert.deepEqual(await stored(), expected);
  assert.deepEqual(setting.failures, []);
  await second.stop();
});

test('two that publish at the same time, since one has lost its lock, publish nothing twice', async (t) => {
  const setting = await start(t);
  if (setting === undefined) return;
  const { publish, append, stored, expected, holds } = setting;
  const unlocked: PublishingPorts['alone'] = (work) => work(new AbortController().signal);
  publish({ alone: unlocked });
  publish({ alone: unlocked });
  for (let each = 0; each < 20; each++) await append(50);
  await holds(expected.length);
  assert.deepEqual(await stored(), expected);
});

test('while NATS is away nothing is lost, and the beginning is what it was when it was configured', async (t) => {
  const setting = await start(t);
  if (setting === undefined) return;
  const { publish, append, stored, expected, holds, way, failures } = setting;
  await append(10);
  const before = expected.length;
  const restore = await way.cut();
  const publishing = publish({ from: 'now' });
  await until('it has tried', () => failures.length > 0);
  assert.equal(await publishing.position(), 10n);
  await append(1000);
  await restore();
  await holds(expected.length - before);
  assert.deepEqual(await stored(), expected.slice(before));

  const cut = await way.cut();
  await append(1000);
  await cut();
  await holds(expected.length - before);
  assert.deepEqual(await stored(), expected.slice(before));
});

test('NATS that is killed while it stores loses nothing and gets nothing twice', async (t) => {
  const setting = await start(t);
  if (setting === undefined) return;
  const { publish, append, stored, expected, holds, server, failures } = setting;
  publish();
  const appending = (async () => {
    for (let each = 0; each < 20; each++) await append(100);
  })();
  for (const messages of [1, 500]) {
    await until('it stores', async () => (await stored().catch(() => [])).length >= messages);
    await server.restart();
  }
  await appending;
  await holds(expected.length);
  assert.deepEqual(await stored(), expected);
  assert.ok(failures.length > 0);
});

test('a stream that is deleted is made again and goes on where it was; what it has lost is published again', async (t) => {
  const setting = await start(t);
  if (setting === undefined) return;
  const { publish, append, stored, expected, holds, manager, streamName, warnings } = setting;
  const first = publish();
  await append(100);
  await holds(90);
  const { config } = await manager.streams.info(streamName);
  await manager.streams.delete(streamName);
  await append(10);
  await holds(9);
  assert.deepEqual(await stored(), expected.slice(90));
  await first.stop();

  // As after a power failure: the server has forgotten what it had not written.
  const [lost] = expected.slice(-1);
  await manager.streams.delete(streamName);
  await manager.streams.add(config);
  const again = jetStreamPublisher(
    {
      ...{ streamName, subjectPrefix: streamName, replicas: 1, maxAgeMs: 3_600_000, maxBytes: -1 },
      connection: { servers: [`127.0.0.1:${setting.server.port}`] },
    },
    { warn: assert.fail },
  );
  await again.end();
  const kept = { project: 'library', type: 'tag.moved', cloudEvent: {} };
  const positions = [101n, 102n, 103n, 104n];
  await again.publish(positions.map((position, n) => ({ ...kept, id: expected[90 + n] ?? '', position })));
  await again.close();
  publish();
  await holds(9);
  assert.deepEqual(await stored(), expected.slice(90));
  assert.equal((await stored()).at(-1), lost);
  assert.match(warnings.join(), /has lost what is behind position 104/);
});

test('a stream that knows more than the log, which was restored, is refused', async (t) => {
  const setting = await start(t);
  if (setting === undefined) return;
  const { publish, append, holds, failures, log } = setting;
  const first = publish();
  await append(20);
  await holds(18);
  await first.stop();
  const isOfLog = async () => false;
  publish({ isOfLog });
  await until('it refuses', () => failures.length > 0);
  assert.match(String(failures[0]), /the log does not hold.*another name/);
  assert.equal(await log.head(), 20n);
});
