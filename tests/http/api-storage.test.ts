import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { addMember, ask, createProject, createUser, json } from './api-client.ts';
import { digestOf, imageOf, pushBlob, putManifest, send } from './client.ts';
import { openCollector } from './collector.ts';

const registry = await startServer({ after });
const collector = await openCollector({ after }, registry);
for (const name of ['member', 'stranger']) await createUser(registry, name);
const id = await createProject(registry, 'team');
await createProject(registry, 'other');
await addMember(registry, 'team', 'member', 'limitedGuest');

const blobOf = (mark: string, size: number): Buffer => Buffer.alloc(size, mark);
async function push(repository: string, tag: string, blobs: readonly Buffer[]) {
  const [config, ...layers] = await Promise.all(blobs.map((blob) => pushBlob(registry, repository, blob)));
  if (config === undefined) throw new Error('an image has a config');
  const manifest = imageOf(config, layers);
  assert.equal((await putManifest(registry, repository, tag, manifest)).status, 201);
  return { size: Buffer.byteLength(manifest), digest: digestOf(manifest) };
}

// A layer of two repositories, one of another project too, one of one repository alone, and one that nothing needs.
const [shared, abroad, own, loose, doomed] = [
  blobOf('s', 1000),
  blobOf('b', 500),
  blobOf('o', 300),
  blobOf('l', 70),
  blobOf('d', 9),
];
const config = blobOf('c', 11);
const inA = await push('team/a', 'v1', [config, shared, own]);
const inB = await push('team/b', 'v1', [config, shared, abroad]);
await push('other/x', 'v1', [config, abroad]);
await pushBlob(registry, 'team/b', doomed);
await collector.condemnBlob('team/b', digestOf(doomed));
await pushBlob(registry, 'team/a', loose);
const used = shared.length + abroad.length + own.length + loose.length + doomed.length + config.length;
const total = used + inA.size + inB.size;

const list = async (path: string, as?: string) => {
  const answer = await ask(registry, 'GET', path, as === undefined ? {} : { as });
  assert.equal(answer.status, 200, answer.body.toString());
  return json(answer);
};
const reasonsOf = async (as?: string): Promise<[string, string, number, number][]> =>
  (await list(`/quotas/${id}/explain`, as)).map(
    ({ repository, reason, objects, bytes }: Record<string, never>) => [repository, reason, objects, bytes],
  );

test('a quota is explained to the byte, by repository and reason', async () => {
  const rows = await reasonsOf();
  assert.deepEqual(rows, [
    ['team/a', 'layer', 1, 300],
    ['team/a', 'manifest', 1, inA.size],
    ['team/a', 'shared', 2, 1011],
    ['team/a', 'unreferenced', 1, 70],
    ['team/b', 'condemned', 1, 9],
    ['team/b', 'layer', 1, 500],
    ['team/b', 'manifest', 1, inB.size],
  ]);
  assert.equal(
    rows.reduce((sum, [, , , bytes]) => sum + bytes, 0),
    total,
  );
  assert.equal(json(await ask(registry, 'GET', `/quotas/${id}`)).used.storage, total);
  assert.deepEqual(await reasonsOf('member'), rows);
});

test('the explanation is for who may see the quota', async () => {
  assert.equal((await ask(registry, 'GET', `/quotas/${id}/explain`, { as: 'stranger' })).status, 403);
  assert.equal((await ask(registry, 'GET', `/quotas/${id}/explain`, { as: '' })).status, 401);
  assert.equal((await ask(registry, 'GET', '/quotas/999999/explain')).status, 404);
  assert.equal((await ask(registry, 'GET', '/quotas/999999/explain', { as: 'stranger' })).status, 403);
});

test('the stored bytes are those that projects hold', async () => {
  const sizes = new Map<string, number>();
  for (const key of await collector.keys()) {
    const digest = /[0-9a-f]{64}/.exec(key)?.[0] ?? key;
    sizes.set(digest, await collector.store.size(key));
  }
  const everything = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const projects = await list('/storage/usage?by=project');
  const unique = projects.reduce((sum: number, row: { unique: number }) => sum + row.unique, 0);
  // What both projects hold is unique to neither.
  assert.equal(everything, unique + config.length + abroad.length);
  const explained = (await reasonsOf()).reduce((sum, [, , , bytes]) => sum + bytes, 0);
  assert.equal(projects.find(({ name }: { name: string }) => name === 'team').logical, explained);
});

test('usage by project, by repository and by artifact', async () => {
  const [other, team] = await list('/storage/usage?scope=registry&by=project');
  assert.deepEqual(
    [other.name, team.name, team.logical, team.shared, team.reclaimable, team.last_pull],
    ['other', 'team', total, 511, 79, null],
  );

  const repositories = await list('/storage/usage?scope=team&by=repository');
  assert.deepEqual(
    repositories.map(({ name, logical, unique, shared, reclaimable }: Record<string, never>) => [
      ...[name, logical, unique, shared, reclaimable],
    ]),
    [
      ['team/a', 11 + 1000 + 300 + 70 + inA.size, 300 + 70 + inA.size, 1011, 70],
      ['team/b', 11 + 1000 + 500 + 9 + inB.size, 9 + inB.size, 1511, 9],
    ],
  );

  const [artifact] = await list('/storage/usage?scope=team/a&by=artifact');
  const { name, objects, logical, unique, last_pull } = artifact;
  assert.equal(last_pull, null);
  assert.deepEqual(
    { name, objects, logical, unique },
    { name: inA.digest, objects: 4, logical: 1311 + inA.size, unique: 300 + inA.size },
  );
});

test('an artifact’s usage tells when it was pulled last', async () => {
  assert.equal((await send(registry, 'GET', `/v2/team/b/manifests/${inB.digest}`)).status, 200);
  await until('the pull is shown', async () => {
    const [{ last_pull }] = await list('/storage/usage?scope=team/b&by=artifact');
    return last_pull !== null && Math.abs(Date.now() - Date.parse(last_pull)) < 60_000;
  });
});

test('what is in projects that one may not see does not show in what is unique', async () => {
  const rows = await list('/storage/usage?scope=team&by=repository', 'member');
  // `abroad` is in no other repository of the project.
  assert.equal(rows[1].unique, 500 + 9 + inB.size);
  for (const [as, status] of [
    ['stranger', 403],
    ['', 401],
  ] as const) {
    assert.equal((await ask(registry, 'GET', '/storage/usage?by=project', { as })).status, status);
    for (const scope of ['scope=team&by=repository', 'scope=team/a&by=artifact'])
      assert.equal((await ask(registry, 'GET', `/storage/usage?${scope}`, { as })).status, status);
  }
  assert.equal((await ask(registry, 'GET', '/storage/usage?by=project', { as: 'member' })).status, 403);
});

test('who holds a blob, of what the asker may see', async () => {
  const referencesTo = async (blob: Buffer, as?: string) =>
    (await list(`/storage/blobs/${digestOf(blob)}/references`, as)).map(
      ({ repository, manifest, condemned }: Record<string, never>) => [repository, manifest, condemned],
    );
  assert.deepEqual(await referencesTo(loose), [['team/a', null, false]]);
  assert.deepEqual(await referencesTo(doomed), [['team/b', null, true]]);
  assert.deepEqual(
    (await referencesTo(abroad)).map(([repository]: string[]) => repository),
    ['other/x', 'team/b'],
  );
  assert.deepEqual(await referencesTo(abroad, 'member'), [['team/b', inB.digest, false]]);
  assert.deepEqual(await referencesTo(abroad, 'stranger'), []);
  assert.deepEqual(await referencesTo(blobOf('n', 1)), []);
  assert.equal(
    (await ask(registry, 'GET', `/storage/blobs/${digestOf(abroad)}/references`, { as: '' })).status,
    401,
  );

  const first = await ask(registry, 'GET', `/storage/blobs/${digestOf(shared)}/references?limit=1`);
  assert.deepEqual(json(first)[0].repository, 'team/a');
  const [, next = ''] = /^<(.*)>; rel="next"$/.exec(String(first.headers.link)) ?? [];
  const second = await ask(registry, 'GET', next);
  assert.deepEqual(json(second)[0].repository, 'team/b');
  assert.equal(second.headers.link, undefined);
});

test('who holds a blob is told in parts of any size, each reference once', async () => {
  const wanted = blobOf('w', 33);
  for (const [repository, images] of [
    ['other/one', 3],
    ['other/two', 0],
    ['other/ten', 1],
  ] as const) {
    await pushBlob(registry, repository, wanted);
    for (let n = 0; n < images; n += 1)
      await push(repository, `v${n}`, [blobOf(`${repository} ${n} `, 40), wanted]);
  }
  const path = `/storage/blobs/${digestOf(wanted)}/references`;
  const whole = await list(path);
  assert.deepEqual(
    whole.map(({ repository, manifest }: Record<string, never>) => [repository, manifest !== null]),
    [...Array.from({ length: 3 }, () => ['other/one', true]), ['other/ten', true], ['other/two', false]],
  );
  assert.equal(new Set(whole.map(({ manifest }: Record<string, never>) => manifest)).size, 5);
  for (const limit of [1, 2, 3, 4]) {
    const parts: unknown[] = [];
    for (let next = `${path}?limit=${limit}`; next !== ''; ) {
      const answer = await ask(registry, 'GET', next);
      assert.ok(json(answer).length <= limit);
      parts.push(...json(answer));
      next = /^<(.*)>; rel="next"$/.exec(String(answer.headers.link))?.[1] ?? '';
    }
    assert.deepEqual(parts, whole);
  }
});

test('a question that has no answer is refused', async () => {
  const bad = async (path: string) => (await ask(registry, 'GET', path)).status;
  assert.equal(await bad('/storage/usage'), 422);
  for (const query of [
    'by=layer',
    'by=project&scope=team',
    'by=repository',
    'by=repository&scope=team/a',
    'by=artifact&scope=team',
    'by=project&after=x',
    `by=project&after=${Buffer.from('["a","b","c","d"]').toString('base64url')}`,
    `by=project&after=${Buffer.from('["a","b","blob","\\u0000"]').toString('base64url')}`,
    `by=repository&scope=team&after=${Buffer.from('["other","b","blob","d"]').toString('base64url')}`,
  ])
    assert.ok([400, 404].includes(await bad(`/storage/usage?${query}`)), query);
  assert.equal(await bad('/storage/blobs/sha256:1/references'), 400);
  assert.equal(await bad('/storage/blobs/%00/references'), 400);
});

test('the command line explains a quota, and counts it again from the log', async () => {
  const { code, output } = await registry.run('quota', 'explain', 'team', '--json');
  assert.equal(code, 0, output);
  const { used: counts, explained, recounted, rows, limit } = JSON.parse(output);
  assert.deepEqual([counts, explained, recounted, limit], [total, total, total, -1]);
  assert.equal(rows.length, 7);
  const text = await registry.run('quota', 'explain', 'team');
  assert.match(text.output, /team\/a +shared +2 +1011\n/);
  assert.match(text.output, new RegExp(`team holds ${total} bytes, with no limit`));
  assert.equal((await registry.run('quota', 'explain', 'nobody')).code, 1);
});
