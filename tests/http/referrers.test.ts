import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import {
  type Answer,
  digestOf,
  header,
  imageOf,
  mediaTypes,
  pushBlob,
  pushImage,
  putManifest,
  refusalOf,
  send,
} from './client.ts';

const server = await startServer({ after });
const repository = 'library/referrers';
const config = await pushBlob(server, repository, '{}');

const pathOf = (subject: string, query = '') => `/v2/${repository}/referrers/${subject}${query}`;
const listOf = async (subject: string, query = '') => {
  const answer = await send(server, 'GET', pathOf(subject, query));
  assert.equal(answer.status, 200, answer.body.toString());
  assert.equal(answer.headers['content-type'], mediaTypes.index);
  const index = JSON.parse(answer.body.toString());
  assert.deepEqual([index.schemaVersion, index.mediaType], [2, mediaTypes.index]);
  return { answer, manifests: index.manifests };
};
const subjectOf = (mark: string) => {
  const text = imageOf(config, [], { annotations: { mark } });
  return { text, descriptor: { mediaType: mediaTypes.image, digest: digestOf(text), size: text.length } };
};
const push = async (manifest: object, type: string = mediaTypes.image) => {
  const text = JSON.stringify({ schemaVersion: 2, mediaType: type, ...manifest });
  const digest = digestOf(text);
  const answer = await putManifest(server, repository, digest, text, type);
  assert.equal(answer.status, 201, answer.body.toString());
  return { mediaType: type, digest, size: text.length };
};
const nextOf = (answer: Answer) => /^<([^>]+)>; rel="next"$/.exec(header(answer, 'link'))?.[1] ?? '';

for (const at of [repository, 'library/never-pushed', 'no-such-project/hello']) {
  test(`what nobody refers to has an empty list in ${at}, so that clients know of the API`, async () => {
    for (const digest of [`sha256:${'0'.repeat(64)}`, `sha512:${'0'.repeat(128)}`]) {
      const answer = await send(server, 'GET', `/v2/${at}/referrers/${digest}`);
      assert.deepEqual(
        [answer.status, answer.headers['content-type'], JSON.parse(answer.body.toString()).manifests],
        [200, mediaTypes.index, []],
      );
      assert.equal(answer.headers['oci-filters-applied'], undefined);
    }
  });
}

test('referrers are listed whatever came first, with their type and annotations, until they are deleted', async () => {
  const { text, descriptor: subject } = subjectOf('order');
  const early = await push({ config, layers: [], subject, annotations: { a: 'early' } });
  await putManifest(server, repository, 'subject', text);
  const late = await push({ config, layers: [], subject, artifactType: 'application/vnd.example.late' });
  const index = await push({ manifests: [], subject, artifactType: 'a/index' }, mediaTypes.index);
  const plain = await push({ manifests: [], subject }, mediaTypes.index);
  const { manifests } = await listOf(subject.digest);
  const expected = [
    { ...early, artifactType: config.mediaType, annotations: { a: 'early' } },
    { ...late, artifactType: 'application/vnd.example.late' },
    { ...index, artifactType: 'a/index' },
    plain,
  ];
  const byDigest = (a: { digest: string }, b: { digest: string }) => (a.digest < b.digest ? -1 : 1);
  assert.deepEqual(manifests, expected.toSorted(byDigest));

  assert.equal((await send(server, 'DELETE', `/v2/${repository}/manifests/${late.digest}`)).status, 202);
  const left = (await listOf(subject.digest)).manifests;
  assert.deepEqual(
    left,
    manifests.filter(({ digest }: { digest: string }) => digest !== late.digest),
  );
  // What refers to a deleted manifest still does.
  await send(server, 'DELETE', `/v2/${repository}/manifests/${subject.digest}`);
  assert.deepEqual((await listOf(subject.digest)).manifests, left);
});

test('a filter matches exactly, may name several types, and the answer says that it was applied', async () => {
  const { descriptor: subject } = subjectOf('filter');
  const pushed = new Map<string, string>();
  for (const artifactType of ['a/one', 'a/two', 'a/three', 'a/o%'])
    pushed.set(artifactType, (await push({ config, layers: [], subject, artifactType })).digest);
  // Without one of its own, the type of its config is what a manifest is listed and found under.
  pushed.set(config.mediaType, (await push({ config, layers: [], subject })).digest);
  for (const types of [
    ...[['a/one'], ['a/one', 'a/three'], ['a/o%'], ['A/one'], ['a/'], ['*']],
    [config.mediaType],
    [config.mediaType, 'a/two'],
  ]) {
    const query = types.map((type) => `artifactType=${encodeURIComponent(type)}`).join('&');
    const { answer, manifests } = await listOf(subject.digest, `?${query}`);
    assert.equal(answer.headers['oci-filters-applied'], 'artifactType');
    const expected = types.flatMap((type) => pushed.get(type) ?? []).toSorted();
    assert.deepEqual(
      manifests.map(({ digest }: { digest: string }) => digest),
      expected,
    );
  }
});

test('many referrers come in pages that together hold each once, with the filter kept', async () => {
  const { descriptor: subject } = subjectOf('pages');
  const pushed: string[] = [];
  for (let n = 0; n < 7; n += 1)
    pushed.push(
      (await push({ config, layers: [], subject, artifactType: 'a/b', annotations: { n: `${n}` } })).digest,
    );
  const seen: string[] = [];
  let path = pathOf(subject.digest, '?artifactType=a%2Fb&n=3');
  for (let page = 0; page < 3; page += 1) {
    const answer = await send(server, 'GET', path);
    const { manifests } = JSON.parse(answer.body.toString());
    assert.equal(answer.headers['oci-filters-applied'], 'artifactType');
    assert.equal(manifests.length, page < 2 ? 3 : 1);
    seen.push(...manifests.map(({ digest }: { digest: string }) => digest));
    if (page === 2) assert.equal(answer.headers.link, undefined);
    else path = nextOf(answer);
  }
  assert.deepEqual(seen, pushed.toSorted());
});

test('a page stays below what clients read, however large the annotations are', async () => {
  const { descriptor: subject } = subjectOf('large');
  const large = 'x'.repeat(1_500_000);
  for (let n = 0; n < 4; n += 1)
    await push({ config, layers: [], subject, annotations: { n: `${n}`, large, odd: '\0\ud800' } });
  const first = await listOf(subject.digest);
  assert.equal(first.manifests.length, 2);
  assert.ok(first.answer.body.length < 4 * 1024 * 1024);
  assert.equal(first.manifests[0].annotations.odd, '\0\ud800');
  const rest = await send(server, 'GET', nextOf(first.answer));
  assert.equal(JSON.parse(rest.body.toString()).manifests.length, 2);
  assert.equal(rest.headers.link, undefined);
});

test('an index under the tag where clients of other registries keep referrers is stored, and adds none', async () => {
  const { descriptor: subject } = subjectOf('fallback');
  const referrer = await push({ config, layers: [], subject, annotations: { a: 'listed' } });
  const other = await push({ config, layers: [], annotations: { a: 'only in the index' } });
  for (const digest of [subject.digest, digestOf('fallback', 'sha512')]) {
    const [algorithm, hex = ''] = digest.split(':');
    const tag = `${algorithm}-${hex.slice(0, 64)}`;
    const manifests = [referrer, other];
    const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests });
    assert.equal((await putManifest(server, repository, tag, index, mediaTypes.index)).status, 201);
    const stored = await send(server, 'GET', `/v2/${repository}/manifests/${tag}`);
    assert.equal(stored.body.toString(), index);
    const listed = (await listOf(digest)).manifests.map((entry: { digest: string }) => entry.digest);
    assert.deepEqual(listed, digest === subject.digest ? [referrer.digest] : []);
  }
});

test('referrers of another repository are not listed', async () => {
  const { descriptor: subject } = subjectOf('elsewhere');
  const { blob } = await pushImage(server, 'library/other', '1.0');
  const text = imageOf(blob, [], { subject });
  await putManifest(server, 'library/other', digestOf(text), text);
  assert.deepEqual((await listOf(subject.digest)).manifests, []);
});

for (const [query, code] of Object.entries({
  'n=0': 'PAGINATION_NUMBER_INVALID',
  'n=-1': 'PAGINATION_NUMBER_INVALID',
  'n=1&n=2': 'PAGINATION_NUMBER_INVALID',
  'last=tag': 'UNSUPPORTED',
  [`artifactType=${'x'.repeat(9000)}`]: 'UNSUPPORTED',
  'artifactType=%00': 'UNSUPPORTED',
  [Array(100)
    .fill(0)
    .map((_, n) => `artifactType=${n}`)
    .join('&')]: 'UNSUPPORTED',
})) {
  test(`the query ${query.slice(0, 20)} is refused`, async () => {
    const answer = await send(server, 'GET', pathOf(`sha256:${'0'.repeat(64)}`, `?${query}`));
    assert.deepEqual(refusalOf(answer), [400, code]);
  });
}

test('a filter that is given hundreds of times is one filter', async () => {
  await listOf(`sha256:${'0'.repeat(64)}`, `?${Array(500).fill('artifactType=a/b').join('&')}`);
});

test('the referrers of a bad digest are refused, and never not found', async () => {
  for (const digest of ['sha256:no', 'md5:d41d8cd98f00b204e9800998ecf8427e', 'latest'])
    assert.deepEqual(refusalOf(await send(server, 'GET', pathOf(digest))), [400, 'DIGEST_INVALID']);
});
