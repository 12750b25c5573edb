import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createdId, createProject, createUser, json } from './api-client.ts';
import {
  digestOf,
  imageOf,
  mediaTypes,
  pushBlob,
  pushImage,
  putManifest,
  refusalOf,
  send,
} from './client.ts';

const server = await startServer({ after });
await createProject(server, 'team');
await createProject(server, 'open', true);
await createUser(server, 'dev');
await addMember(server, 'team', 'dev', 'developer');

interface Row {
  readonly tag: string;
  readonly digest: string;
  readonly platforms: readonly string[];
  readonly size: number;
  readonly signatures: number;
  readonly pushed: { readonly at: string; readonly by: string | null };
  readonly labels: readonly { readonly name: string }[];
  readonly moves: number;
}

const path = (repository = 'app', project = 'team') => `/projects/${project}/repositories/${repository}/tags`;
const list = async (query = '', at = path(), as?: string) => {
  const answer = await ask(server, 'GET', `${at}${query}`, as === undefined ? {} : { as });
  assert.equal(answer.status, 200, answer.body.toString());
  const [, next] = /after=([^&>]+)/.exec(String(answer.headers.link ?? '')) ?? [];
  return { rows: json(answer) as Row[], total: answer.headers['x-total-count'], next };
};
const names = async (...asked: Parameters<typeof list>) => (await list(...asked)).rows.map(({ tag }) => tag);

const versions = ['1.2.0', '1.9.0', '1.10.0', '1.10.0-rc1', '2.0.0', 'latest'];
for (const version of versions.toReversed()) await pushImage(server, 'team/app', version, version);

/** An image for a platform, with a layer of so many bytes. */
async function pushFor(repository: string, platform: object | undefined, bytes: number) {
  const config = await pushBlob(server, repository, JSON.stringify(platform ?? {}));
  const layer = await pushBlob(server, repository, Buffer.alloc(bytes, JSON.stringify(platform)));
  const manifest = imageOf({ ...config, mediaType: 'application/vnd.oci.image.config.v1+json' }, [layer]);
  const digest = digestOf(manifest);
  assert.equal((await putManifest(server, repository, digest, manifest)).status, 201);
  return { mediaType: mediaTypes.image, digest, size: manifest.length };
}

test('each row has what its tag points at: platforms, size, signatures, and who pushed it when', async () => {
  const [amd, arm] = [
    await pushFor('team/multi', { os: 'linux', architecture: 'amd64' }, 1000),
    await pushFor('team/multi', { os: 'linux', architecture: 'arm64' }, 2000),
  ];
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: [
      { ...amd, platform: { os: 'linux', architecture: 'amd64' } },
      { ...arm, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
      { ...arm, platform: { os: 'unknown', architecture: 'unknown' } },
    ],
  });
  await putManifest(server, 'team/multi', 'all', index, mediaTypes.index);
  await send(server, 'PUT', `/v2/team/multi/manifests/one`, {
    as: 'dev:Passw0rd-of-a-test',
    headers: { 'content-type': mediaTypes.image },
    body: (await send(server, 'GET', `/v2/team/multi/manifests/${amd.digest}`)).body,
  });
  const signed = {
    subject: amd,
    artifactType: 'application/vnd.cncf.notary.signature',
  };
  const empty = await pushBlob(server, 'team/multi', '{}');
  const signature = imageOf(empty, [empty], signed);
  await putManifest(server, 'team/multi', digestOf(signature), signature);

  const { rows, total } = await list('', path('multi'));
  assert.equal(total, '2');
  const [all, one] = rows;
  assert.deepEqual(
    [all?.tag, all?.platforms, all?.signatures, all?.pushed.by],
    ['all', ['linux/amd64', 'linux/arm64/v8'], 0, 'user:admin'],
  );
  assert.deepEqual(
    [one?.digest, one?.platforms, one?.signatures, one?.pushed.by],
    [amd.digest, ['linux/amd64'], 1, 'user:dev'],
  );
  assert.ok((all?.size ?? 0) > (one?.size ?? 0) && (one?.size ?? 0) > 1000);
  assert.deepEqual(await names('?sort=-size', path('multi')), ['all', 'one']);
  assert.deepEqual(await names('?sort=size', path('multi')), ['one', 'all']);
});

test('a row has the labels of what its tag points at', async () => {
  const id = createdId(await ask(server, 'POST', '/labels', { body: { name: 'checked', scope: 'g' } }));
  await pushImage(server, 'team/labelled', 'v1');
  const at = '/projects/team/repositories/labelled/artifacts/v1/labels';
  assert.equal((await ask(server, 'POST', at, { body: { id } })).status, 200);
  const [row] = (await list('', path('labelled'))).rows;
  assert.deepEqual(
    row?.labels.map(({ name }) => name),
    ['checked'],
  );
});

test('tags are sorted as versions, or by when they were pushed, in both directions', async () => {
  assert.deepEqual(await names(), versions);
  assert.deepEqual(await names('?sort=-name'), versions.toReversed());
  assert.deepEqual(await names('?sort=-pushed'), versions);
  assert.deepEqual(await names('?sort=pushed'), versions.toReversed());
});

test('whatever the order, pages follow each other without a gap or a row twice', async () => {
  for (const sort of ['name', '-name', 'pushed', '-pushed', 'size', '-size']) {
    const whole = await names(`?sort=${sort}`);
    const parts: string[] = [];
    for (let next: string | undefined = ''; next !== undefined; ) {
      const page = await list(`?sort=${sort}&limit=2${next && `&after=${next}`}`);
      assert.equal(page.total, '6');
      parts.push(...page.rows.map(({ tag }) => tag));
      next = page.next;
    }
    assert.deepEqual(parts, whole, sort);
  }
});

test('a list goes on where it was although the tag there is gone', async () => {
  await pushImage(server, 'team/moving', 'a');
  for (const tag of ['b', 'c', 'd']) await pushImage(server, 'team/moving', tag, tag);
  const { next } = await list('?limit=2', path('moving'));
  assert.equal((await send(server, 'DELETE', '/v2/team/moving/manifests/b')).status, 202);
  assert.deepEqual(await names(`?limit=2&after=${next}`, path('moving')), ['c', 'd']);
});

test('a part of a tag finds it, and no pattern means more than its characters', async () => {
  assert.deepEqual(await names('?q=1.10'), ['1.10.0', '1.10.0-rc1']);
  assert.deepEqual(await names('?q=RC'), ['1.10.0-rc1']);
  for (const q of ['%25', '_', '%5C']) assert.deepEqual(await names(`?q=${q}`), []);
  assert.equal((await list('?q=1')).total, undefined);
});

test('a row counts how often its tag has moved', async () => {
  for (const mark of ['x', 'y', 'y', 'z']) await pushImage(server, 'team/often', 'latest', mark);
  assert.equal((await list('', path('often'))).rows[0]?.moves, 2);
  assert.equal((await send(server, 'DELETE', '/v2/team/often/manifests/latest')).status, 202);
  await pushImage(server, 'team/often', 'latest', 'x');
  assert.equal((await list('', path('often'))).rows[0]?.moves, 0);
});

test('nobody sees tags of a project that he may not see, and anybody those of a public one, but not who pushed', async () => {
  await pushImage(server, 'open/app', 'v1');
  assert.equal((await list('', path('app', 'open'), '')).rows[0]?.pushed.by, null);
  assert.equal((await ask(server, 'GET', path(), { as: '' })).status, 401);
  await createUser(server, 'stranger');
  assert.equal((await ask(server, 'GET', path(), { as: 'stranger' })).status, 403);
  assert.deepEqual(refusalOf(await ask(server, 'GET', path('nothing'))), [404, 'NOT_FOUND']);
});

const cursor = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const bad: readonly (readonly [query: string, status: number])[] = [
  ['?sort=color', 422],
  ['?limit=0', 422],
  ['?limit=1000', 422],
  ['?after=nonsense', 400],
  [`?after=${cursor(['a'])}`, 400],
  [`?after=${cursor([1, 2])}`, 400],
  [`?after=${cursor(['\0', 'a'])}`, 400],
  [`?sort=pushed&after=${cursor(['yesterday', 'a'])}`, 400],
  [`?sort=size&after=${cursor(['-1', 'a'])}`, 400],
  [`?sort=size&after=${cursor(['9'.repeat(30), 'a'])}`, 400],
];
for (const [query, status] of bad)
  test(`a list with ${query} is refused with ${status}`, async () => {
    assert.equal(refusalOf(await ask(server, 'GET', `${path()}${query}`))[0], status);
  });

test('the furthest place that can be written is the end of the list', async () => {
  for (const [sort, key] of [
    ['pushed', '9'.repeat(17)],
    ['size', '9'.repeat(18)],
    ['name', '\u{10ffff}'],
  ])
    assert.deepEqual(await names(`?sort=${sort}&after=${cursor([key, 'z'])}`), []);
});
