import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { digestOf, imageOf, mediaTypes, pushBlob, refusalOf, type Sent, send } from './client.ts';

const server = await startServer({ after });
const repository = 'library/tags';
const at = (reference: string) => `/v2/${repository}/manifests/${reference}`;
const config = await pushBlob(server, repository, '{}');
const manifestOf = (mark: string) => imageOf(config, [], { annotations: { mark } });
const put = (path: string, body: string, headers: Sent['headers'] = {}) =>
  send(server, 'PUT', path, { body, headers: { 'content-type': mediaTypes.image, ...headers } });
const digestAt = async (tag: string) =>
  (await send(server, 'HEAD', at(tag))).headers['docker-content-digest'];

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`one push by ${algorithm} sets as many tags as it names, each once, and says which`, async () => {
    const manifest = manifestOf(algorithm);
    const digest = digestOf(manifest, algorithm);
    const tags = Array.from({ length: 10 }, (_, n) => `${algorithm}-${n}`);
    const query = [...tags, tags[0]].map((tag) => `tag=${tag}`).join('&');
    const answer = await put(`${at(digest)}?${query}`, manifest);
    assert.equal(answer.status, 201, answer.body.toString());
    assert.deepEqual(String(answer.headers['oci-tag']).split(', '), tags);
    assert.equal(answer.headers['docker-content-digest'], digest);
    for (const tag of tags) assert.equal(await digestAt(tag), digest);
    const list = await send(server, 'GET', `/v2/${repository}/tags/list`);
    assert.deepEqual(
      new Set(JSON.parse(list.body.toString()).tags).intersection(new Set(tags)),
      new Set(tags),
    );
  });
}

const other = manifestOf('refused');
const digest = digestOf(other);
const refusals: Readonly<Record<string, readonly [path: string, status: number]>> = {
  'a bad tag among good ones': [`${at(digest)}?tag=good&tag=-bad`, 400],
  'an empty tag': [`${at(digest)}?tag=`, 400],
  'a tag in the path as well': [`${at('path')}?tag=good`, 400],
  'more tags than are taken at once': [
    `${at(digest)}?${Array.from({ length: 51 }, (_, n) => `tag=t${n}`).join('&')}`,
    414,
  ],
};
test('more tags than fit into the line of a request are refused as well', async () => {
  const query = Array.from({ length: 5000 }, (_, n) => `tag=t${n}`).join('&');
  assert.deepEqual(refusalOf(await put(`${at(digest)}?${query}`, other)), [431, 'BAD_REQUEST']);
  assert.equal((await send(server, 'HEAD', at(digest))).status, 404);
});

for (const [what, [path, status]] of Object.entries(refusals)) {
  test(`a push with ${what} is refused, and nothing is written`, async () => {
    assert.deepEqual(refusalOf(await put(path, other)), [status, 'TAG_INVALID']);
    for (const reference of [digest, 'good', 't0', 'path'])
      assert.equal((await send(server, 'HEAD', at(reference))).status, 404);
  });
}

test('a push that is to create its tag is refused where the tag exists', async () => {
  const [first, second] = [manifestOf('create 1'), manifestOf('create 2')];
  assert.equal((await put(at('created'), first, { 'if-none-match': '*' })).status, 201);
  const refused = await put(at('created'), second, { 'if-none-match': '*' });
  assert.deepEqual(refusalOf(refused), [412, 'DENIED']);
  assert.equal(await digestAt('created'), digestOf(first));
});

test('a push that is to replace one manifest is refused where the tag points at another', async () => {
  const [first, second, third] = [manifestOf('move 1'), manifestOf('move 2'), manifestOf('move 3')];
  const ifMatch = (text: string) => ({ 'if-match': `"${digestOf(text)}"` });
  assert.deepEqual(refusalOf(await put(at('moved'), first, { 'if-match': '*' })), [412, 'DENIED']);
  await put(at('moved'), first);
  assert.equal((await put(at('moved'), second, ifMatch(first))).status, 201);
  assert.deepEqual(refusalOf(await put(at('moved'), third, ifMatch(first))), [412, 'DENIED']);
  assert.equal(await digestAt('moved'), digestOf(second));
  assert.equal((await put(at('moved'), third, { 'if-match': '*' })).status, 201);
});

test('of many pushes that are to create one tag, one does', async () => {
  const manifests = Array.from({ length: 8 }, (_, n) => manifestOf(`race ${n}`));
  const answers = await Promise.all(
    manifests.map((manifest) => put(at('raced'), manifest, { 'if-none-match': '*' })),
  );
  const statuses = answers.map(({ status }) => status);
  assert.deepEqual(statuses.toSorted(), [201, ...Array(7).fill(412)]);
  assert.equal(await digestAt('raced'), digestOf(manifests[statuses.indexOf(201)] ?? ''));
});

test('a condition of a push that sets no tag is about the manifest', async () => {
  const manifest = manifestOf('by digest');
  const path = at(digestOf(manifest));
  const itself = { 'if-match': `"${digestOf(manifest)}"` };
  assert.deepEqual(refusalOf(await put(path, manifest, { 'if-match': '*' })), [412, 'DENIED']);
  assert.deepEqual(refusalOf(await put(path, manifest, itself)), [412, 'DENIED']);
  assert.equal((await send(server, 'HEAD', path)).status, 404);
  assert.equal((await put(path, manifest, { 'if-none-match': '*' })).status, 201);
  assert.deepEqual(refusalOf(await put(path, manifest, { 'if-none-match': '*' })), [412, 'DENIED']);
  assert.equal((await put(path, manifest, itself)).status, 201);
});

for (const headers of [
  { 'if-none-match': '"sha256:x"' },
  { 'if-match': 'sha256:x' },
  { 'if-match': '*', 'if-none-match': '*' },
]) {
  test(`a condition that cannot be checked lets nothing pass: ${JSON.stringify(headers)}`, async () => {
    assert.equal((await put(at('unconditional'), manifestOf('u'), headers)).status, 400);
    assert.equal((await send(server, 'HEAD', at('unconditional'))).status, 404);
  });
}

test('a client that has the manifest is told that it is the same, by GET and by HEAD', async () => {
  const manifest = manifestOf('cached');
  const digest = digestOf(manifest);
  await put(at('cached'), manifest);
  for (const method of ['GET', 'HEAD']) {
    for (const known of [`"${digest}"`, digest, `W/"${digest}"`, `"x", "${digest}"`, '*']) {
      const answer = await send(server, method, at('cached'), { headers: { 'if-none-match': known } });
      assert.deepEqual(
        [answer.status, answer.headers.etag, answer.headers['docker-content-digest'], answer.body.length],
        [304, `"${digest}"`, digest, 0],
      );
    }
    const answer = await send(server, method, at('cached'), { headers: { 'if-none-match': '"other"' } });
    assert.equal(answer.status, 200);
  }
});
