import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
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
import { eventsOf, openLogOf } from './server-log.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);

const manifestAt = (repository: string, reference: string) => `/v2/${repository}/manifests/${reference}`;
const blobAt = (repository: string, digest: string) => `/v2/${repository}/blobs/${digest}`;
const statusOf = async (method: string, path: string) => (await send(server, method, path)).status;
const unknown = [404, 'MANIFEST_UNKNOWN'];

test('a deleted tag is gone at once, and its manifest stays', async () => {
  const repository = 'library/tag-deleted';
  const { digest } = await pushImage(server, repository, '1.0');
  await pushImage(server, repository, 'other');
  const deleted = await send(server, 'DELETE', manifestAt(repository, '1.0'));
  assert.deepEqual([deleted.status, deleted.headers['content-length']], [202, '0']);
  assert.deepEqual(refusalOf(await send(server, 'GET', manifestAt(repository, '1.0'))), unknown);
  assert.equal(await statusOf('HEAD', manifestAt(repository, digest)), 200);
  const list = await send(server, 'GET', `/v2/${repository}/tags/list`);
  assert.deepEqual(JSON.parse(list.body.toString()).tags, ['other']);
  assert.deepEqual(refusalOf(await send(server, 'DELETE', manifestAt(repository, '1.0'))), unknown);
});

test('a deleted manifest takes all its tags along, and its bytes', async () => {
  const repository = 'library/manifest-deleted';
  const { digest } = await pushImage(server, repository, 'a', 'goes');
  for (const tag of ['b', 'c']) await pushImage(server, repository, tag, 'goes');
  const kept = await pushImage(server, repository, 'd', 'stays');

  assert.equal(await statusOf('DELETE', manifestAt(repository, digest)), 202);

  for (const reference of ['a', 'b', 'c', digest])
    for (const method of ['GET', 'HEAD'])
      assert.equal(await statusOf(method, manifestAt(repository, reference)), 404);
  assert.equal(await statusOf('HEAD', manifestAt(repository, kept.digest)), 200);
  const list = await send(server, 'GET', `/v2/${repository}/tags/list`);
  assert.deepEqual(JSON.parse(list.body.toString()).tags, ['d']);
  const folder = join(server.dataDirectory, 'blobs');
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const hex = digest.slice('sha256:'.length);
  assert.ok(!files.some((file) => file.isFile() && file.parentPath.includes(hex)), 'the bytes are gone');
  assert.deepEqual(refusalOf(await send(server, 'DELETE', manifestAt(repository, digest))), unknown);
});

test('what was deleted can be pushed again, and deleted again', async () => {
  const repository = 'library/deleted-often';
  for (let round = 0; round < 3; round += 1) {
    const { digest, blob, manifest } = await pushImage(server, repository, 'latest');
    const pulled = await send(server, 'GET', manifestAt(repository, 'latest'));
    assert.deepEqual([pulled.status, pulled.body.toString()], [200, manifest]);
    assert.equal(await statusOf('DELETE', manifestAt(repository, digest)), 202);
    assert.equal(await statusOf('DELETE', blobAt(repository, blob.digest)), 202);
    for (const method of ['GET', 'HEAD'])
      assert.equal(await statusOf(method, blobAt(repository, blob.digest)), 404);
  }
});

test('an index is deleted without its children, and a child only after the index', async () => {
  const repository = 'library/index-deleted';
  const child = await pushImage(server, repository, 'child');
  const descriptor = { mediaType: mediaTypes.image, digest: child.digest, size: child.manifest.length };
  const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [descriptor] });
  await putManifest(server, repository, 'index', index, mediaTypes.index);

  const refused = await send(server, 'DELETE', manifestAt(repository, child.digest));
  assert.deepEqual(refusalOf(refused), [409, 'DENIED']);
  assert.match(refused.body.toString(), new RegExp(digestOf(index)));
  assert.equal(await statusOf('HEAD', manifestAt(repository, 'child')), 200);

  assert.equal(await statusOf('DELETE', manifestAt(repository, digestOf(index))), 202);
  assert.equal(await statusOf('HEAD', manifestAt(repository, child.digest)), 200);
  assert.equal(await statusOf('DELETE', manifestAt(repository, child.digest)), 202);
});

test('a blob that a manifest of the repository needs is not deleted, and can still be asked for', async () => {
  const repository = 'library/blob-needed';
  const { blob, digest } = await pushImage(server, repository, '1.0');
  const refused = await send(server, 'DELETE', blobAt(repository, blob.digest));
  assert.deepEqual(refusalOf(refused), [409, 'DENIED']);
  assert.equal(await statusOf('HEAD', blobAt(repository, blob.digest)), 200);
  assert.equal(await statusOf('DELETE', manifestAt(repository, digest)), 202);
  assert.equal(await statusOf('DELETE', blobAt(repository, blob.digest)), 202);
});

test('a blob that one repository deletes stays in the others', async () => {
  const bytes = 'held by two';
  const { digest } = await pushBlob(server, 'library/one', bytes);
  await pushBlob(server, 'library/two', bytes);
  assert.equal(await statusOf('DELETE', blobAt('library/one', digest)), 202);
  assert.equal(await statusOf('GET', blobAt('library/one', digest)), 404);
  const other = await send(server, 'GET', blobAt('library/two', digest));
  assert.deepEqual([other.status, other.body.toString()], [200, bytes]);
  assert.deepEqual(refusalOf(await send(server, 'DELETE', blobAt('library/one', digest))), [
    404,
    'BLOB_UNKNOWN',
  ]);
});

for (const reference of ['latest', digestOf('never pushed')]) {
  test(`in a repository that nobody has pushed to, ${reference.slice(0, 12)} cannot be deleted`, async () => {
    const answer = await send(server, 'DELETE', manifestAt('library/nothing-here', reference));
    assert.deepEqual(refusalOf(answer), [404, 'NAME_UNKNOWN']);
  });
}

test('a bad reference is refused, and deletes nothing', async () => {
  for (const [reference, code] of [
    ['sha256:short', 'DIGEST_INVALID'],
    ['-tag', 'TAG_INVALID'],
  ] as const)
    assert.deepEqual(refusalOf(await send(server, 'DELETE', manifestAt('library/one', reference))), [
      400,
      code,
    ]);
});

test('nobody deletes without logging in', async () => {
  const repository = 'library/guarded';
  const { digest, blob } = await pushImage(server, repository, '1.0');
  for (const path of [
    manifestAt(repository, '1.0'),
    manifestAt(repository, digest),
    blobAt(repository, blob.digest),
  ])
    assert.equal((await send(server, 'DELETE', path, { as: '' })).status, 401);
  assert.equal(await statusOf('HEAD', manifestAt(repository, '1.0')), 200);
});

test('who deleted what is recorded', async () => {
  const repository = 'library/recorded';
  const { digest } = await pushImage(server, repository, '1.0');
  await send(server, 'DELETE', manifestAt(repository, digest));
  const events = [
    ...(await eventsOf(log, `tag/${repository}:1.0`)),
    ...(await eventsOf(log, `artifact/${repository}@${digest}`)),
  ];
  assert.deepEqual(
    events.map(({ type, metadata }) => [type, metadata.actor]),
    [
      ['TagAssigned', 'user:admin'],
      ['TagRemoved', 'user:admin'],
      ['ManifestPushed', 'user:admin'],
      ['ManifestCondemned', 'user:admin'],
      ['ManifestDeleted', 'user:admin'],
    ],
  );
});

test('ten clients that delete one image at once leave nothing of it, and each is told so', async () => {
  const repository = 'library/raced';
  const { digest, blob } = await pushImage(server, repository, '1.0');
  const paths = [manifestAt(repository, '1.0'), manifestAt(repository, digest)];
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => paths)
      .flat()
      .map((path) => send(server, 'DELETE', path)),
  );
  assert.ok(answers.some(({ status }) => status === 202));
  assert.ok(answers.every(({ status }) => status === 202 || status === 404));
  const blobs = await Promise.all(
    Array.from({ length: 10 }, () => send(server, 'DELETE', blobAt(repository, blob.digest))),
  );
  assert.ok(blobs.every(({ status }) => status === 202 || status === 404));
  for (const path of [...paths, blobAt(repository, blob.digest)])
    assert.equal(await statusOf('GET', path), 404);
});

test('ten clients that delete an index, its child, their tags and a blob at once leave nothing, in an order that holds', async () => {
  const repository = 'library/raced-index';
  const { digest, blob, manifest } = await pushImage(server, repository, 'child');
  const descriptor = { mediaType: mediaTypes.image, digest, size: manifest.length };
  const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [descriptor] });
  await putManifest(server, repository, 'index', index, mediaTypes.index);
  const manifests = ['index', 'child', digestOf(index), digest].map((name) => manifestAt(repository, name));
  const paths = [...manifests, blobAt(repository, blob.digest)];

  // Nothing refuses to delete the index, so that the child goes in the second round at the latest, and then the blob.
  for (let round = 0; round < 3; round += 1) {
    const requests = Array.from({ length: 10 }, () => paths).flat();
    const statuses = await Promise.all(requests.map((path) => statusOf('DELETE', path)));
    assert.ok(
      statuses.every((status) => [202, 404, 409].includes(status)),
      String(statuses),
    );
  }
  for (const path of paths) assert.equal(await statusOf('GET', path), 404, path);

  const eventsAbout = async (stream: string) =>
    (await log.readStream(stream)).events.filter(
      ({ data }) => (data as { repository?: string }).repository === repository,
    );
  const lastOf = async (stream: string) => (await eventsAbout(stream)).at(-1);
  const last = [
    await lastOf(`artifact/${repository}@${digestOf(index)}`),
    await lastOf(`artifact/${repository}@${digest}`),
    await lastOf(`blob/${blob.digest}`),
  ];
  assert.deepEqual(
    last.map((event) => event?.type),
    ['ManifestDeleted', 'ManifestDeleted', 'BlobUnlinked'],
  );
  const positions = last.map((event) => event?.position ?? 0n);
  assert.deepEqual(
    positions,
    positions.toSorted((a, b) => Number(a - b)),
    'what needs something goes before it',
  );
  for (const tag of ['index', 'child'])
    assert.deepEqual(
      (await eventsAbout(`tag/${repository}:${tag}`)).map(({ type }) => type),
      ['TagAssigned', 'TagRemoved'],
    );
});

test('pushes and deletions of one image at once leave it whole or gone', async () => {
  const repository = 'library/contested';
  const blob = await pushBlob(server, repository, '{}');
  const manifest = imageOf(blob, [blob]);
  const digest = digestOf(manifest);
  for (let round = 0; round < 10; round += 1) {
    const [push, ...others] = await Promise.all([
      putManifest(server, repository, 'latest', manifest),
      send(server, 'DELETE', manifestAt(repository, digest)),
      putManifest(server, repository, 'other', manifest),
      send(server, 'DELETE', manifestAt(repository, digest)),
    ]);
    assert.ok([push, ...others].every(({ status }) => [201, 202, 404].includes(status)));
    const byDigest = await statusOf('GET', manifestAt(repository, digest));
    for (const tag of ['latest', 'other']) {
      const list = JSON.parse((await send(server, 'GET', `/v2/${repository}/tags/list`)).body.toString());
      const byTag = await statusOf('GET', manifestAt(repository, tag));
      assert.equal(byTag, list.tags.includes(tag) ? 200 : 404);
      if (byTag === 200) assert.equal(byDigest, 200);
    }
  }
});
