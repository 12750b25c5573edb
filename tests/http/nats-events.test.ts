import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { cloudEvent } from '../../domain/public-event/cloud-event.ts';
import { startNatsServer } from '../nats-server.ts';
import { connectNats, readStream, type StoredMessage } from '../nats-stream.ts';
import { startServer } from '../server.ts';
import { findTool, requireTool } from '../tool.ts';
import { until } from '../until.ts';
import { createProject } from './api-client.ts';
import { pushImage, send } from './client.ts';
import { openLogOf } from './server-log.ts';

const program = findTool('nats-server');
const setting = program === undefined ? undefined : await start(program);

async function start(program: string) {
  const nats = await startNatsServer(program);
  after(() => nats.stop());
  const environment = {
    SHIPLOG_EVENTS_NATS_SERVERS: `nats://127.0.0.1:${nats.port}`,
    SHIPLOG_EVENTS_NATS_FROM: 'beginning',
    SHIPLOG_METRIC_ENABLED: 'true',
  };
  const server = await startServer({ after }, { environment });
  const client = await connectNats(nats.port);
  after(() => client.close());
  return { nats, server, client };
}

function required(t: TestContext) {
  if (setting === undefined) requireTool(t, 'nats-server');
  return setting;
}

const typeOf = ({ event }: StoredMessage) => String(event.type).slice('io.shiplog.'.length);

test('a push is published as CloudEvents with the ids of the log, under its project and type', async (t) => {
  const setting = required(t);
  if (setting === undefined) return;
  const { server, client } = setting;
  await createProject(server, 'team.one');
  await pushImage(server, 'team.one/app', '1.0');
  const stored = () => readStream(client, 'SHIPLOG_EVENTS').catch(() => []);
  await until('the push is published', async () =>
    (await stored()).some((one) => typeOf(one) === 'tag.assigned'),
  );

  const messages = await stored();
  const log = await openLogOf(t, server);
  const ids = new Map<string, bigint>();
  for await (const events of log.readAll(0n)) for (const { id, position } of events) ids.set(id, position);
  for (const { id, position, event } of messages) {
    assert.equal(ids.get(id), position);
    assert.equal(event.id, id);
    assert.equal(event.sequence, String(position).padStart(20, '0'));
    assert.match(String(event.source), /^http:/);
    cloudEvent.parse(event);
    for (const origin of ['clientip', 'useragent', 'requestid', 'accesstoken']) assert.ok(!(origin in event));
  }
  const positions = messages.map(({ position }) => position);
  assert.deepEqual(
    positions,
    positions.toSorted((one, other) => Number(one - other)),
  );
  const pushed = messages.filter(({ event }) => event.repository === 'team.one/app');
  assert.deepEqual(
    pushed.map(({ subject }) => subject),
    ['artifact.pushed', 'tag.assigned'].map((type) => `shiplog.events.team%2Eone.${type}`),
  );
  assert.ok(messages.some(({ subject }) => subject === 'shiplog.events._.user.created'));
  assert.equal(pushed[1]?.event.subject, 'team.one/app:1.0');
});

test('while NATS is away pushes go on, and metrics tell how long events have waited', async (t) => {
  const setting = required(t);
  if (setting === undefined) return;
  const { server, client, nats } = setting;
  const measure = async (name: string) => {
    const text = (await send(server, 'GET', '/metrics')).body.toString();
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
  };
  const published = await measure('shiplog_events_published_total');
  assert.ok(published > 0);
  const back = await nats.away();
  for (const tag of ['1.0', '1.1', '1.2']) await pushImage(server, 'library/waits', tag, tag);
  await until(
    'the metrics say so',
    async () =>
      (await measure('shiplog_event_publisher_failures_total')) > 0 &&
      (await measure('shiplog_event_publisher_lag_seconds')) > 0,
    60_000,
  );
  await back();
  const waited = async () =>
    (await readStream(client, 'SHIPLOG_EVENTS').catch(() => [])).filter(
      (one) => one.event.repository === 'library/waits' && typeOf(one) === 'tag.assigned',
    );
  await until('all is published', async () => (await waited()).length === 3, 60_000);
  assert.deepEqual(
    (await waited()).map(({ event }) => event.tag),
    ['1.0', '1.1', '1.2'],
  );
  await until('nothing waits', async () => (await measure('shiplog_event_publisher_lag_seconds')) === 0);
  assert.ok((await measure('shiplog_events_published_total')) >= published + 6);
  const said = server.lines.filter(({ msg }) => msg?.startsWith('events cannot be published to NATS'));
  assert.ok(said.length > 0);
});

test('the example of docs/ starts a command once for each tag, also for those pushed while it is away', async (t) => {
  const setting = required(t);
  if (setting === undefined) return;
  const { server, nats } = setting;
  await createProject(server, 'shop');
  const folder = await mkdtemp(join(tmpdir(), 'shiplog-trigger-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const done = join(folder, 'done');
  await appendFile(done, '');
  const script = join(folder, 'deploy.sh');
  await writeFile(script, `echo "$SHIPLOG_REPOSITORY:$SHIPLOG_TAG" >> ${done}\n`);
  const lines = async () => (await readFile(done, 'utf8')).split('\n').slice(0, -1);
  const example = new URL('../../docs/examples/nats-trigger.mjs', import.meta.url).pathname;
  const run = () => {
    const args = [example, `nats://127.0.0.1:${nats.port}`, 'shop', 'sh', script];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const ended = once(child, 'exit');
    const kill = async () => {
      child.kill('SIGKILL');
      await ended;
    };
    t.after(kill);
    return kill;
  };

  await pushImage(server, 'shop/app', '1.0', '1');
  await pushImage(server, 'library/other', '1.0', '1');
  const kill = run();
  await until('it has deployed', async () => (await lines()).length === 1, 60_000);
  // It acknowledges a moment after the command has ended.
  const manager = await setting.client.jetstreamManager();
  const acknowledged = async () =>
    (await manager.consumers.info('SHIPLOG_EVENTS', 'ci-shop')).num_ack_pending === 0;
  await until('it has acknowledged', acknowledged);
  await kill();
  for (const tag of ['1.1', '1.2']) await pushImage(server, 'shop/app', tag, tag);
  await pushImage(server, 'shop/app', '1.1', 'again');
  run();
  await until('it has caught up', async () => (await lines()).length >= 4, 60_000);
  assert.deepEqual(
    await lines(),
    ['1.0', '1.1', '1.2', '1.1'].map((tag) => `shop/app:${tag}`),
  );
});
