import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, createdId, createProject, json } from '../http/api-client.ts';
import { imageOf, pushBlob, putManifest } from '../http/client.ts';
import { openLogOf } from '../http/server-log.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { type Received, startReceiver } from '../webhook-receiver.ts';
import { startCommand } from './job-workers.ts';
import { queryPostgres } from './postgres-of.ts';

const pushes = Number(process.env.SHIPLOG_TEST_PUSHES ?? 40);
const environment = {
  SHIPLOG_WEBHOOKS_ALLOWED_ADDRESSES: '127.0.0.1',
  SHIPLOG_WEBHOOKS_FIRST_PAUSE_SECONDS: '0.05',
};
// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the test is about.
type Delivery = any;
const idOf = ({ headers }: Received) => String(headers['webhook-id']);
const tagOf = ({ body }: Received): string => JSON.parse(body).event_data.resources[0].tag;

test('each event is told once to each policy and in order, however often those who tell it are killed, and the ledger comes back from the log', async (t) => {
  const receiver = await startReceiver(t);
  // Of ten three are not taken, and whether that was known to who sent it is not known either.
  receiver.reply(
    (_, before) => ([200, 503, 200, 200, 'drop', 200, 200, 500, 200, 200] as const)[before % 10] ?? 200,
  );
  const server = await startServer(t, {
    environment: { ...environment, SHIPLOG_JOBSERVICE_ENABLED: 'false' },
  });
  await createProject(server, 'team');
  const policies: number[] = [];
  for (const path of ['/a', '/b'])
    policies.push(
      createdId(
        await ask(server, 'POST', '/projects/team/webhook/policies', {
          body: {
            ...{ name: path.slice(1), enabled: true, event_types: ['PUSH_ARTIFACT'] },
            targets: [{ type: 'http', address: `${receiver.url}${path}` }],
          },
        }),
      ),
    );

  const workers = [startCommand(t, server, environment), startCommand(t, server, environment)];
  let kills = 0;
  let isOver = false;
  const killing = (async () => {
    while (!isOver) {
      await sleep(300 + Math.random() * 1500);
      const victim = Math.floor(Math.random() * workers.length);
      if (isOver || !workers[victim]?.isReady()) continue;
      await workers[victim]?.stop('SIGKILL');
      kills += 1;
      workers[victim] = startCommand(t, server, environment);
    }
  })();

  const blob = await pushBlob(server, 'team/app', '{}');
  const tags = Array.from({ length: pushes }, (_, index) => `v${index}`);
  for (const tag of tags) {
    const manifest = imageOf(blob, [blob], { annotations: { tag } });
    assert.equal((await putManifest(server, 'team/app', tag, manifest)).status, 201);
    await sleep(Math.random() * 150);
  }
  const ledger = async (): Promise<Delivery[]> => {
    const all: Delivery[] = [];
    for (let after = ''; ; ) {
      const some = json(await ask(server, 'GET', `/webhook/deliveries?limit=100${after}`));
      all.push(...some);
      if (some.length < 100) return all.toReversed();
      after = `&after=${some.at(-1).id}`;
    }
  };
  await until('workers were killed', () => kills >= 4, 120_000);
  isOver = true;
  await killing;
  await until(
    'all is delivered',
    async () => {
      const all = await ledger();
      return all.length >= 2 * pushes && all.every(({ state }) => state === 'delivered');
    },
    120_000,
  ).catch(async (error) => {
    const waiting = (await ledger()).filter(({ state }) => state !== 'delivered');
    const of = workers.map((worker) => [worker.hasEnded(), worker.output().slice(-2000)]);
    assert.fail(`${error}: ${waiting.length} ${JSON.stringify(waiting.slice(0, 2))} ${JSON.stringify(of)}`);
  });

  const told = await ledger();
  assert.equal(told.length, 2 * pushes, 'no event is told twice to one policy');
  assert.equal(new Set(told.map(({ event_id, policy_id }) => `${event_id} ${policy_id}`)).size, told.length);
  for (const path of ['/a', '/b']) {
    const received = receiver.at(path);
    assert.equal(new Set(received.map(idOf)).size, pushes);
    const inOrder = received.map(tagOf).filter((tag, index, all) => tag !== all[index - 1]);
    assert.deepEqual(inOrder, tags, 'each is told until it was taken, and none before the one before it');
  }

  const log = await openLogOf(t, server);
  const requested = new Map<string, number>();
  for await (const events of log.readAll(0n))
    for (const { type, data } of events)
      if (type === 'WebhookDeliveriesRequested') {
        const { sourceId } = data as { sourceId: string };
        requested.set(sourceId, (requested.get(sourceId) ?? 0) + 1);
      }
  assert.deepEqual(
    [...requested.values()],
    tags.map(() => 1),
  );

  const sent = receiver.received.length;
  await queryPostgres(server.dataDirectory, 'postgres', 'drop database shiplog_views with (force)');
  const replayed = await server.run('replay');
  assert.equal(replayed.code, 0, replayed.output);
  let after: Delivery[] = [];
  await until(
    'the ledger is back',
    async () => {
      const answer = await server.fetch('/api/v2.0/webhook/deliveries?limit=1');
      if (answer.status !== 200) return false;
      after = await ledger();
      return after.length === told.length;
    },
    60_000,
  );
  assert.deepEqual(after, told);
  receiver.reply(() => 200);
  const manifest = imageOf(blob, [blob], { annotations: { tag: 'next' } });
  await until(
    'it can be pushed again',
    async () => (await putManifest(server, 'team/app', 'next', manifest)).status === 201,
    60_000,
  );
  await until('what happens next is told', () => receiver.received.length >= sent + 2, 120_000);
  assert.deepEqual(
    receiver.received.slice(sent).map(tagOf),
    ['next', 'next'],
    'and nothing that was told before',
  );
  await Promise.all(workers.map((worker) => worker.stop()));
});
