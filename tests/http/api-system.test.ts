import assert from 'node:assert/strict';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../free-port.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { addMember, ask, createProject, createUser, json } from './api-client.ts';
import { header, pushBlob, pushImage, send } from './client.ts';

const server = await startServer({ after });
const port = await freePort();
const elsewhere = await startServer(
  { after },
  {
    environment: {
      SHIPLOG_HTTP_PORT: String(port),
      SHIPLOG_EXTERNAL_URL: `http://localhost:${port}`,
      SHIPLOG_EXTERNAL_REDIS_HOST: `127.0.0.1:${await freePort()}`,
    },
  },
);
await createUser(server, 'mira');
const before = json(await ask(server, 'GET', '/statistics'));

const components = ['core', 'database', 'jobservice', 'portal', 'redis', 'registry', 'registryctl'];
const healthOf = async (target = server) => {
  const answer = await ask(target, 'GET', '/health', { as: '' });
  assert.equal(answer.status, 200);
  const { status, components } = json(answer) as {
    status: string;
    components: readonly { name: string; status: string; error?: string }[];
  };
  return {
    status,
    components,
    sick: components.flatMap((one) => (one.status === 'healthy' ? [] : one.name)),
  };
};
/** What was asked lately is told again. */
const freshHealthOf = async (target = server) => {
  await sleep(1100);
  return healthOf(target);
};

test('the registry answers a ping, whoever asks', async () => {
  const answer = await ask(server, 'GET', '/ping', { as: '' });
  assert.deepEqual([answer.status, answer.body.toString()], [200, 'Pong']);
});

test('every component of Harbor is there and healthy', async () => {
  const { status, components: found } = await healthOf();
  assert.equal(status, 'healthy', JSON.stringify(found));
  assert.deepEqual(found.map(({ name }) => name).sort(), components);
});

test('a store that is away makes the registry unhealthy, in words that say nothing of the inside', async () => {
  const blobs = join(server.dataDirectory, 'blobs', 'blobs');
  await rename(blobs, `${blobs}-away`);
  try {
    const { status, components: found, sick } = await freshHealthOf();
    assert.deepEqual([status, sick.sort()], ['unhealthy', ['registry', 'registryctl']]);
    assert.equal(JSON.stringify(found).includes(server.dataDirectory), false);
  } finally {
    await rename(`${blobs}-away`, blobs);
  }
  assert.equal((await freshHealthOf()).status, 'healthy');
});

test('a Redis that is configured and away is told, and everything else is healthy', async () => {
  const { status, sick } = await healthOf(elsewhere);
  assert.deepEqual([status, sick], ['unhealthy', ['redis']]);
});

test('many who ask for the health at once make it be asked once', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => healthOf()));
  assert.ok(answers.every(({ status }) => status === 'healthy'));
});

test('nobody in particular learns what he needs to log in, and no more', async () => {
  const info = json(await ask(server, 'GET', '/systeminfo', { as: '' }));
  assert.deepEqual(info, {
    auth_mode: 'db_auth',
    primary_auth_mode: false,
    self_registration: false,
    banner_message: '',
  });
  const wrong = json(await ask(server, 'GET', '/systeminfo', { as: 'admin:wrong' }));
  assert.equal(wrong.harbor_version, undefined);
});

test('who has logged in learns what the registry is and where', async () => {
  const info = json(await ask(server, 'GET', '/systeminfo', { as: 'mira' }));
  assert.match(info.harbor_version, /^v2\.\d+\.\d+-[a-z0-9.]+$/);
  assert.equal(info.registry_url, server.registry);
  assert.equal(info.external_url, server.url);
  assert.equal(info.has_ca_root, false);
  assert.equal(info.project_creation_restriction, 'everyone');
  assert.equal(info.read_only, false);
  assert.equal(info.notification_enable, true);
  assert.equal(info.registry_storage_provider_name, 'filesystem');
  assert.ok(Math.abs(Date.parse(info.current_time) - Date.now()) < 60_000);

  const there = json(await ask(elsewhere, 'GET', '/systeminfo'));
  assert.equal(there.external_url, `http://localhost:${port}`);
  assert.equal(there.registry_url, `localhost:${port}`);
});

test('a change of the settings shows at once', async () => {
  const banner = '{"message":"Down on Friday","type":"warning"}';
  const change = { banner_message: banner, self_registration: true };
  assert.equal((await ask(server, 'PUT', '/configurations', { body: change })).status, 200);
  const info = json(await ask(server, 'GET', '/systeminfo', { as: '' }));
  assert.deepEqual([info.banner_message, info.self_registration], [banner, true]);
});

test('the disk is that of the data, for who may know', async () => {
  const { storage } = json(await ask(server, 'GET', '/systeminfo/volumes'));
  assert.equal(storage.length, 1);
  assert.ok(storage[0].total > storage[0].free && storage[0].free > 0);
  assert.equal((await ask(server, 'GET', '/systeminfo/volumes', { as: 'mira' })).status, 403);
  assert.equal((await ask(server, 'GET', '/systeminfo/volumes', { as: '' })).status, 401);
});

test('the certificate of the authority is downloaded where one is installed, and nothing beside it', async () => {
  const get = () => ask(server, 'GET', '/systeminfo/getcert', { as: '' });
  assert.equal((await get()).status, 404);
  const certificate = '-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----';
  const key = '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----';
  const place = join(server.dataDirectory, 'ca_download');
  await mkdir(place);
  await writeFile(join(place, 'ca.crt'), `${key}\n`);
  assert.equal((await get()).status, 404);
  await writeFile(join(place, 'ca.crt'), `${key}\n${certificate}\n`);
  const answer = await get();
  assert.deepEqual([answer.status, answer.body.toString()], [200, `${certificate}\n`]);
  assert.equal(header(answer, 'content-disposition'), 'attachment; filename=ca.crt');
  assert.equal(json(await ask(server, 'GET', '/systeminfo')).has_ca_root, true);
});

test('the statistics count what there is, each blob once', async () => {
  await createProject(server, 'open', true);
  await createProject(server, 'closed');
  await createProject(server, 'own');
  await addMember(server, 'own', 'mira', 'guest');
  const { blob } = await pushImage(server, 'open/app', 'v1');
  await pushImage(server, 'open/other', 'v1');
  await pushImage(server, 'closed/app', 'v1');
  await pushImage(server, 'own/app', 'v1');
  const extra = await pushBlob(server, 'own/app', 'another blob');

  const statistics = json(await ask(server, 'GET', '/statistics'));
  assert.deepEqual(statistics, {
    public_project_count: before.public_project_count + 1,
    public_repo_count: before.public_repo_count + 2,
    private_project_count: before.private_project_count + 2,
    private_repo_count: before.private_repo_count + 2,
    total_project_count: before.total_project_count + 3,
    total_repo_count: before.total_repo_count + 4,
    total_storage_consumption: before.total_storage_consumption + blob.size + extra.size,
  });
  assert.deepEqual(json(await ask(server, 'GET', '/statistics', { as: 'mira' })), {
    ...statistics,
    private_project_count: 1,
    private_repo_count: 1,
    total_project_count: 0,
    total_repo_count: 0,
    total_storage_consumption: 0,
  });
  assert.equal((await ask(server, 'GET', '/statistics', { as: '' })).status, 401);
});

test('while the registry starts its health is told, and everything else waits', async () => {
  assert.equal(await server.stop(), 0);
  let hasStarted = false;
  const starting = server.start().then(() => {
    hasStarted = true;
  });
  const states = new Set<string>();
  while (!hasStarted) {
    const answer = await send(server, 'GET', '/api/v2.0/health', { as: '' }).catch(() => undefined);
    if (answer !== undefined) {
      assert.equal(answer.status, 200, answer.body.toString());
      states.add(json(answer).status);
    }
    await sleep(20);
  }
  await starting;
  await until('it is healthy', async () => (await healthOf()).status === 'healthy');
  assert.ok([...states].every((state) => ['healthy', 'unhealthy'].includes(state)));
});
