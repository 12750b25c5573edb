import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import { until } from '../until.ts';
import { ask, createProject, json } from './api-client.ts';
import { pushImage } from './client.ts';

const program = new URL('../../docs/examples/ci-trigger.mjs', import.meta.url).pathname;

const server = await startServer({ after }, { environment: { SHIPLOG_EVENTS_HEARTBEAT_SECONDS: '1' } });
await createProject(server, 'shop');
const robot = await ask(server, 'POST', '/robots', {
  body: {
    ...{ name: 'ci', level: 'project', duration: -1 },
    permissions: [
      { kind: 'project', namespace: 'shop', access: [{ resource: 'repository', action: 'pull' }] },
    ],
  },
});
const { name, secret } = json(robot);

test('the CI trigger of the documentation misses nothing and does nothing twice, though it is killed', async (t) => {
  const directory = await temporaryDirectory();
  const [done, state, script] = ['done', 'state', 'build.sh'].map((file) => join(directory, file)) as [
    string,
    string,
    string,
  ];
  await writeFile(done, '');
  await writeFile(script, `#!/bin/sh\necho "$REPOSITORY:$TAG $DIGEST $EVENT_ID" >> ${done}\n`, {
    mode: 0o755,
  });
  const lines = async () => (await readFile(done, 'utf8')).split('\n').filter((line) => line !== '');
  const builds = async () => (await lines()).map((line) => line.split(' ')[0]);

  let child: ChildProcess | undefined;
  const start = async () => {
    const environment = {
      ...{ SHIPLOG_URL: server.url, SHIPLOG_CREDENTIALS: `${name}:${secret}` },
      ...{ SHIPLOG_FILTER: 'tag:v*', STATE_FILE: state },
    };
    child = spawn(process.execPath, [program, script], { env: { ...process.env, ...environment } });
    await until('it knows where it is', async () => (await readFile(state, 'utf8').catch(() => '')) !== '');
  };
  const kill = async () => {
    const ended = once(child as ChildProcess, 'exit');
    child?.kill('SIGKILL');
    await ended;
  };
  t.after(() => child?.kill('SIGKILL'));

  await start();
  await pushImage(server, 'shop/web', 'v1', 'one');
  await pushImage(server, 'shop/web', 'latest', 'one');
  await until('the first is built', async () => (await builds()).length === 1);
  const atFirst = await readFile(state, 'utf8');
  await until('its place is kept', async () => (await readFile(state, 'utf8')) !== atFirst);
  await kill();

  await pushImage(server, 'shop/web', 'v2', 'two');
  await pushImage(server, 'shop/web', 'v1', 'three');
  await start();
  await until('what it has missed is built', async () => (await builds()).length === 3);
  await server.stop();
  await server.start();
  await pushImage(server, 'shop/web', 'v3', 'four');
  await until('it has come back by itself', async () => (await builds()).length === 4, 60_000);

  assert.deepEqual(await builds(), ['shop/web:v1', 'shop/web:v2', 'shop/web:v1', 'shop/web:v3']);
  assert.equal(new Set(await lines()).size, 4);
});

test('the CI trigger ends where what it asks is refused', async () => {
  const directory = await temporaryDirectory();
  const environment = {
    SHIPLOG_URL: server.url,
    SHIPLOG_CREDENTIALS: 'nobody:wrong',
    STATE_FILE: join(directory, 'state'),
  };
  const child = spawn(process.execPath, [program, 'true'], { env: { ...process.env, ...environment } });
  assert.deepEqual(await once(child, 'exit'), [1, null]);
});

test('the CI trigger does not begin anew where it cannot read its place', async () => {
  const environment = {
    SHIPLOG_URL: server.url,
    SHIPLOG_CREDENTIALS: `${name}:${secret}`,
    STATE_FILE: await temporaryDirectory(),
  };
  const child = spawn(process.execPath, [program, 'true'], {
    env: { ...process.env, ...environment },
    stdio: 'ignore',
  });
  assert.deepEqual(await once(child, 'exit'), [1, null]);
});
