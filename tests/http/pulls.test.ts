import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { ask, createProject, json } from './api-client.ts';
import { pushImage, send } from './client.ts';

const server = await startServer({ after });
await createProject(server, 'team');
const never = '0001-01-01T00:00:00.000Z';

const repository = '/projects/team/repositories';
const artifact = async (name: string, reference: string) =>
  json(await ask(server, 'GET', `${repository}/${name}/artifacts/${reference}`));
const countOf = async (name: string): Promise<number> =>
  json(await ask(server, 'GET', `${repository}/${name}`)).pull_count;
const isCounted = (name: string, count: number) =>
  until(`${name} was pulled ${count} times`, async () => (await countOf(name)) === count);
const pull = async (name: string, reference: string, headers = {}): Promise<number> =>
  (await send(server, 'GET', `/v2/team/${name}/manifests/${reference}`, { headers })).status;
const configure = async (items: object) => {
  const answer = await ask(server, 'PUT', '/configurations', { body: items });
  assert.equal(answer.status, 200, answer.body.toString());
};

test('a manifest that is read counts for its repository, and is the last pull of artifact and tag', async () => {
  const { digest } = await pushImage(server, 'team/app', 'v1');
  await pushImage(server, 'team/app', 'v1-again');
  assert.equal((await artifact('app', 'v1')).pull_time, never);
  const before = Date.now();
  assert.equal(await pull('app', 'v1'), 200);
  assert.equal(await pull('app', digest), 200);
  await isCounted('app', 2);
  const shown = await artifact('app', digest);
  assert.ok(Date.parse(shown.pull_time) >= before && Date.parse(shown.pull_time) <= Date.now());
  const times = Object.fromEntries(
    shown.tags.map(({ name, pull_time }: Record<string, string>) => [name, pull_time]),
  );
  assert.ok(Date.parse(times.v1) >= before);
  assert.ok(Date.parse(times.v1) <= Date.parse(shown.pull_time));
  // Whoever asks by digest, or by another tag, has not asked for this one.
  assert.equal(times['v1-again'], never);
  const rows = json(await ask(server, 'GET', `${repository}/app/tags?sort=-pulled`));
  assert.deepEqual(
    rows.map(({ tag, pulled }: { tag: string; pulled: { at: string } | null }) => [tag, pulled?.at ?? null]),
    [
      ['v1', times.v1],
      ['v1-again', null],
    ],
  );
  const next = await ask(server, 'GET', `${repository}/app/tags?sort=-pulled&limit=1`);
  const [, link = ''] = /<([^>]+)>/.exec(String(next.headers.link)) ?? [];
  assert.deepEqual(
    json(await ask(server, 'GET', link)).map(({ tag }: { tag: string }) => tag),
    ['v1-again'],
  );
});

test('what asks whether it is there, or has it already, pulls nothing', async () => {
  const { digest } = await pushImage(server, 'team/quiet', 'v1');
  await send(server, 'HEAD', '/v2/team/quiet/manifests/v1');
  assert.equal(await pull('quiet', 'v1', { 'if-none-match': `"${digest}"` }), 304);
  assert.equal(await pull('quiet', 'missing'), 404);
  await send(server, 'GET', `/v2/team/quiet/referrers/${digest}`);
  await ask(server, 'POST', `${repository}/copied/artifacts?from=team/quiet:v1`);
  await ask(server, 'GET', `${repository}/quiet/artifacts/v1/additions/build_history`);
  assert.equal(await pull('quiet', 'v1'), 200);
  await isCounted('quiet', 1);
  assert.equal(await countOf('copied'), 0);
});

test('artifacts are found and sorted by when they were pulled, and repositories by how often', async () => {
  const digests: string[] = [];
  for (const [tag, text] of [
    ['a', 'one'],
    ['b', 'two'],
    ['c', 'three'],
  ] as const)
    digests.push((await pushImage(server, 'team/sorted', tag, text)).digest);
  for (const tag of ['b', 'a']) {
    await pull('sorted', tag);
    await until(`${tag} was pulled`, async () => (await artifact('sorted', tag)).pull_time !== never);
  }
  const [a = '', b = '', c = ''] = digests;
  const found = async (query: string): Promise<string[]> =>
    json(await ask(server, 'GET', `${repository}/sorted/artifacts?${query}`)).map(
      ({ digest }: { digest: string }) => digest,
    );
  assert.deepEqual(await found('sort=-pull_time'), [a, b, c]);
  assert.deepEqual(await found('sort=pull_time'), [c, b, a]);
  const since = (await artifact('sorted', b)).pull_time.replace('Z', '');
  assert.deepEqual(await found(`q=pull_time=[${since}~]&sort=pull_time`), [b, a]);
  assert.deepEqual(await found('q=pull_time=[~2020-01-01T00:00:00]'), [c]);
  for (const _ of Array(5)) await pull('sorted', 'a');
  await isCounted('sorted', 7);
  const [first] = json(await ask(server, 'GET', '/repositories?sort=-pull_count'));
  assert.deepEqual([first.name, first.pull_count], ['team/sorted', 7]);
  assert.deepEqual(
    json(await ask(server, 'GET', '/repositories?q=pull_count=[7~]')).map(
      ({ name }: { name: string }) => name,
    ),
    ['team/sorted'],
  );
  const { repository: sought } = json(await ask(server, 'GET', '/search?q=team/sorted'));
  assert.equal(sought[0].pull_count, 7);
});

test('what is deleted and pushed again was never pulled', async () => {
  const { digest } = await pushImage(server, 'team/gone', 'v1');
  await pull('gone', 'v1');
  await isCounted('gone', 1);
  await ask(server, 'DELETE', `${repository}/gone/artifacts/${digest}`);
  await pushImage(server, 'team/gone', 'v1');
  const shown = await artifact('gone', 'v1');
  assert.deepEqual([shown.pull_time, shown.tags[0].pull_time], [never, never]);
  assert.equal(await countOf('gone'), 1);
  await ask(server, 'DELETE', `${repository}/gone`);
  await pushImage(server, 'team/gone', 'v1');
  assert.equal(await countOf('gone'), 0);
});

test('pulls by scanners count as the settings say', async () => {
  await pushImage(server, 'team/scanned', 'v1');
  const made = json(
    await ask(server, 'POST', '/robots', {
      body: {
        ...{ name: 'scanner-of-a-test', level: 'project', duration: -1 },
        permissions: [
          { kind: 'project', namespace: 'team', access: [{ resource: 'repository', action: 'pull' }] },
        ],
      },
    }),
  );
  const as = `${made.name}:${made.secret}`;
  await configure({ scanner_skip_update_pulltime: true });
  await send(server, 'GET', '/v2/team/scanned/manifests/v1', { as });
  await until('it is recorded', async () => {
    const rows = await ask(server, 'GET', '/auditlog-exts?q=resource=team/scanned:v1,operation=pull');
    return json(rows).length === 1;
  });
  await configure({ scanner_skip_update_pulltime: false });
  await send(server, 'GET', '/v2/team/scanned/manifests/v1', { as });
  await pull('scanned', 'v1');
  await isCounted('scanned', 2);
});

test('pulls that wait are recorded when the server is stopped', async () => {
  await pushImage(server, 'team/late', 'v1');
  await pull('late', 'v1');
  await server.stop();
  await server.start();
  await isCounted('late', 1);
});

test('pulls are the same when they are counted anew', async () => {
  const { code, output } = await server.run('verify');
  assert.equal(code, 0, output);
});
