import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createProject, createUser, json } from './api-client.ts';
import { imageOf, pushBlob, pushImage, putManifest, refusalOf, send } from './client.ts';

const server = await startServer({ after });
await createUser(server, 'dev');
await createUser(server, 'stranger');
for (const name of ['web', 'webshop', 'hidden']) await createProject(server, name, name !== 'hidden');
await addMember(server, 'hidden', 'dev', 'guest');
await pushImage(server, 'webshop/front-end', 'v1.0.0');
await pushImage(server, 'webshop/end', 'v1.0.1');
const { digest } = await pushImage(server, 'hidden/web', 'v1.0.2', 'secret');
const blob = await pushBlob(server, 'hidden/web', '{}');
const vendor = { 'org.opencontainers.image.vendor': 'ACME Corporation', long: 'x'.repeat(1000) };
await putManifest(server, 'hidden/web', 'made', imageOf(blob, [blob], { annotations: vendor }));

interface Found {
  readonly kind: string;
  readonly text: string;
  readonly repository: string | null;
}
async function find(q: string, { as = 'dev', more = '' } = {}) {
  const answer = await ask(server, 'GET', `/search/all?q=${encodeURIComponent(q)}${more}`, { as });
  assert.equal(answer.status, 200, answer.body.toString());
  return json(answer);
}
const texts = async (...asked: Parameters<typeof find>): Promise<string[]> =>
  (await find(...asked)).hits.map(({ kind, text }: Found) => `${kind} ${text}`);

test('the very name comes first, then what begins with it, a word of it, and any part', async () => {
  assert.deepEqual(await texts('web', { more: '&kinds=project,repository' }), [
    'project web',
    'repository hidden/web',
    'project webshop',
    'repository webshop/end',
    'repository webshop/front-end',
  ]);
  assert.deepEqual(await texts('end', { more: '&kinds=repository' }), [
    'repository webshop/end',
    'repository webshop/front-end',
  ]);
});

test('tags are found by their beginning, and in the repositories before a colon', async () => {
  assert.deepEqual(await texts('v1.0', { more: '&kinds=tag' }), ['tag v1.0.0', 'tag v1.0.1', 'tag v1.0.2']);
  assert.deepEqual(await texts('front:v1', { more: '&kinds=tag' }), ['tag v1.0.0']);
  assert.deepEqual(await texts('front:', { more: '&kinds=tag' }), []);
  const { hits } = await find('hidden/web:v1.0.2', { more: '&kinds=tag' });
  assert.deepEqual(hits, [
    {
      kind: 'tag',
      score: 100,
      project: 'hidden',
      repository: 'hidden/web',
      tag: 'v1.0.2',
      digest,
      text: 'v1.0.2',
    },
  ]);
});

test('a digest is found whole or by its beginning, with or without the algorithm', async () => {
  for (const q of [digest, digest.slice(7), digest.slice(7, 19), digest.slice(0, 20)])
    assert.deepEqual(
      (await find(q)).hits.map(({ kind, repository }: Found) => [kind, repository]),
      [['digest', 'hidden/web']],
    );
  assert.deepEqual(await texts('sha256:zz', { more: '&kinds=digest' }), []);
});

test('annotations are found by their value, and by their name and value', async () => {
  const found = ['annotation org.opencontainers.image.vendor=ACME Corporation'];
  assert.deepEqual(await texts('ACME'), found);
  assert.deepEqual(await texts('org.opencontainers.image.vendor=ACME'), found);
  assert.deepEqual(await texts('org.opencontainers.image.title=ACME'), []);
  assert.equal((await texts(`long=${'x'.repeat(200)}`)).length, 1);
});

test('nobody finds what is in a project that he may not see', async () => {
  for (const as of ['stranger', ''])
    for (const q of ['web', 'v1.0', digest, 'ACME', 'hidden', 'made'])
      assert.ok(!JSON.stringify(await find(q, { as })).includes('hidden'), q);
  assert.ok((await texts('hidden', { as: 'dev' })).includes('project hidden'));
});

test('labels are found by a part of their names, those of a project by who sees it', async () => {
  const [{ project_id }] = json(await ask(server, 'GET', '/projects?name=hidden'));
  for (const label of [
    { name: 'for-everybody', scope: 'g' },
    { name: 'for-few', scope: 'p', project_id },
  ])
    assert.equal((await ask(server, 'POST', '/labels', { body: label })).status, 201);
  const labels = (as: string) => texts('for', { as, more: '&kinds=label' });
  assert.deepEqual(await labels('dev'), ['label for-few', 'label for-everybody']);
  assert.deepEqual(await labels('stranger'), ['label for-everybody']);
  // A role that reads what is in a project, but no labels.
  await createUser(server, 'limited');
  await addMember(server, 'hidden', 'limited', 'limitedGuest');
  assert.deepEqual(await labels('limited'), ['label for-everybody']);
  assert.ok((await texts('hidden', { as: 'limited' })).includes('project hidden'));
  const { hits } = await find('for-everybody', { as: '' });
  assert.deepEqual([hits.length, hits[0].project], [1, null]);
});

test('what is deleted is not found any more', async () => {
  const { digest: gone } = await pushImage(server, 'webshop/gone', 'gone-tag', 'gone');
  assert.deepEqual(await texts('gone-tag'), ['tag gone-tag']);
  assert.equal((await send(server, 'DELETE', `/v2/webshop/gone/manifests/${gone}`)).status, 202);
  assert.deepEqual(await texts('gone-tag'), []);
  assert.deepEqual(await texts(gone), []);
});

test('each kind says how many were found, and whether there are more', async () => {
  const { hits, facets } = await find('v1.0', { more: '&limit=2' });
  assert.equal(hits.length, 2);
  assert.deepEqual(facets, [
    { kind: 'project', count: 0, more: false },
    { kind: 'repository', count: 0, more: false },
    { kind: 'tag', count: 2, more: true },
    { kind: 'digest', count: 0, more: false },
    { kind: 'label', count: 0, more: false },
    { kind: 'annotation', count: 0, more: false },
  ]);
});

test('no pattern means more than its characters, and no text breaks the query', async () => {
  for (const q of ['%', '_', '\\', "' OR 1=1 --", '[a-z]*', '$1', 'é\\é', '😀', '/', ':', '=', 'a:b:c'])
    assert.deepEqual(
      (await find(q)).hits.filter(({ text }: Found) => !text.includes(q)),
      [],
      q,
    );
});

const bad: readonly (readonly [query: string, status: number])[] = [
  ['', 422],
  ['?q=', 422],
  ['?q=%20', 400],
  [`?q=${'x'.repeat(256)}`, 400],
  ['?q=x&kinds=secret', 400],
  ['?q=x&limit=0', 422],
  ['?q=x&limit=101', 422],
  ['?q=x&limit=ten', 422],
  ['?q=%00', 400],
];
for (const [query, status] of bad)
  test(`a search for ${query.slice(0, 20)} is refused with ${status}`, async () => {
    assert.equal(refusalOf(await ask(server, 'GET', `/search/all${query}`))[0], status);
  });
