import assert from 'node:assert/strict';
import { readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import {
  digestOf,
  header,
  imageOf,
  lastingHeaders,
  mediaTypes,
  pushBlob,
  pushImage,
  putManifest,
  refusalOf,
  send,
} from './client.ts';
import { decidedSince, eventsOf, openLogOf } from './server-log.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);
const repository = 'library/manifests';
const at = (reference: string) => `/v2/${repository}/manifests/${reference}`;
const blob = await pushBlob(server, repository, '{}');

test('a manifest is read back byte for byte, by its tag and by its digest, by GET and by HEAD', async () => {
  // Order, white space and unknown fields are the client's: another serialization would be another digest.
  const manifest = `{ "layers": [],\n "x-custom": [1, 2.0, "é"],\t"config": ${JSON.stringify(blob)}, "mediaType": "${mediaTypes.image}", "schemaVersion": 2 }\n`;
  const digest = digestOf(manifest);
  const put = await putManifest(server, repository, 'exact', manifest);
  assert.equal(put.status, 201, put.body.toString());
  assert.equal(put.headers.location, at(digest));
  assert.equal(put.headers['docker-content-digest'], digest);
  assert.equal(put.headers['oci-subject'], undefined);
  assert.equal(put.body.length, 0);

  for (const reference of ['exact', digest]) {
    const get = await send(server, 'GET', at(reference));
    assert.equal(get.status, 200);
    assert.equal(get.body.toString(), manifest);
    const headers = lastingHeaders(get);
    assert.equal(headers['content-type'], mediaTypes.image);
    assert.equal(headers['content-length'], String(Buffer.byteLength(manifest)));
    assert.equal(headers['docker-content-digest'], digest);
    assert.equal(headers.etag, `"${digest}"`);
    assert.equal(headers['docker-distribution-api-version'], 'registry/2.0');

    const head = await send(server, 'HEAD', at(reference));
    assert.deepEqual([head.status, head.body.length, lastingHeaders(head)], [200, 0, headers]);
  }
});

for (const [name, mediaType] of Object.entries({
  'an OCI image': mediaTypes.image,
  'a Docker image': 'application/vnd.docker.distribution.manifest.v2+json',
})) {
  test(`the media type of ${name} comes back as it was pushed, without the parameters`, async () => {
    const manifest = imageOf(blob, [blob], { mediaType });
    const put = await putManifest(server, repository, 'typed', manifest, `${mediaType}; charset=utf-8`);
    assert.equal(put.status, 201, put.body.toString());
    assert.equal((await send(server, 'GET', at('typed'))).headers['content-type'], mediaType);
  });
}

test('what the client would accept changes nothing: it gets what is stored', async () => {
  const { manifest } = await pushImage(server, repository, 'accept');
  for (const accept of ['*/*', 'text/html', mediaTypes.index, 'x;q=nonsense,,,', 'a'.repeat(8000)]) {
    const { status, headers, body } = await send(server, 'GET', at('accept'), { headers: { accept } });
    assert.deepEqual([status, headers['content-type'], body.toString()], [200, mediaTypes.image, manifest]);
  }
});

test('a manifest may be pushed by its digest alone, also by sha512, and is found by that one', async () => {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const manifest = imageOf(blob, [], { annotations: { algorithm } });
    const digest = digestOf(manifest, algorithm);
    const put = await putManifest(server, repository, digest, manifest);
    assert.deepEqual([put.status, put.headers['docker-content-digest']], [201, digest]);
    const { body, headers } = await send(server, 'GET', header(put, 'location'));
    assert.deepEqual([body.toString(), headers['docker-content-digest']], [manifest, digest]);
  }
  const other = digestOf(imageOf(blob, [], { annotations: { algorithm: 'sha512' } }));
  assert.deepEqual(refusalOf(await send(server, 'GET', at(other))), [404, 'MANIFEST_UNKNOWN']);
});

test('an index is read back like an image', async () => {
  const child = await pushImage(server, repository, 'child');
  const descriptor = {
    mediaType: mediaTypes.image,
    digest: child.digest,
    size: child.manifest.length,
    platform: { os: 'linux', architecture: 'arm64' },
  };
  const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [descriptor] });
  const put = await putManifest(server, repository, 'index', index, mediaTypes.index);
  assert.equal(put.status, 201, put.body.toString());
  const { headers, body } = await send(server, 'GET', at('index'));
  assert.deepEqual([headers['content-type'], body.toString()], [mediaTypes.index, index]);
});

test('an index may name manifests that are not in its repository, and they stay unknown there', async () => {
  const elsewhere = await pushImage(server, 'library/elsewhere', '1.0', 'elsewhere');
  const child = { mediaType: mediaTypes.image, digest: elsewhere.digest, size: elsewhere.manifest.length };
  const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [child, blob] });
  assert.equal((await putManifest(server, repository, 'sparse', index, mediaTypes.index)).status, 201);
  for (const { digest } of [child, blob])
    assert.deepEqual(refusalOf(await send(server, 'GET', at(digest))), [404, 'MANIFEST_UNKNOWN']);
});

test('without a Content-Type the media type inside the manifest counts', async () => {
  const manifest = imageOf(blob, [], { annotations: { typed: 'inside' } });
  const put = await send(server, 'PUT', at('inside'), { body: manifest });
  assert.equal(put.status, 201, put.body.toString());
  assert.equal((await send(server, 'HEAD', at('inside'))).headers['content-type'], mediaTypes.image);
});

test('a manifest with a subject is told so, whether or not the subject is there', async () => {
  for (const subject of [
    { mediaType: mediaTypes.image, digest: digestOf('nowhere'), size: 7 },
    { mediaType: mediaTypes.image, digest: digestOf('nowhere', 'sha512'), size: 7 },
  ]) {
    const put = await putManifest(server, repository, 'referrer', imageOf(blob, [], { subject }));
    assert.deepEqual([put.status, put.headers['oci-subject']], [201, subject.digest]);
  }
});

test('layers that may be fetched from elsewhere need not be there, and are served where they are', async () => {
  for (const mediaType of [
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  ]) {
    const absent = { mediaType, digest: digestOf(`absent ${mediaType}`), size: 1 };
    const present = { ...(await pushBlob(server, repository, mediaType)), mediaType };
    const urls = ['https://example.com/layer'];
    const foreign = imageOf(blob, [absent, { ...absent, urls }, { ...present, urls }]);
    assert.equal((await putManifest(server, repository, 'foreign', foreign)).status, 201);
    const blobAt = (digest: string) => `/v2/${repository}/blobs/${digest}`;
    assert.deepEqual(refusalOf(await send(server, 'GET', blobAt(absent.digest))), [404, 'BLOB_UNKNOWN']);
    assert.equal((await send(server, 'GET', blobAt(present.digest))).body.toString(), mediaType);
  }
});

test('the same push again is 201 again, and nothing is recorded a second time', async () => {
  const { manifest, digest } = await pushImage(server, repository, 'again');
  const head = await log.head();
  for (const reference of ['again', digest, 'again']) {
    const put = await putManifest(server, repository, reference, manifest);
    assert.deepEqual([put.status, put.headers['docker-content-digest']], [201, digest]);
  }
  assert.deepEqual(await decidedSince(log, head), []);
});

test('a tag moves to what was pushed last, and what it pointed at is still there by its digest', async () => {
  const first = await pushImage(server, repository, 'moving', 'first');
  const second = await pushImage(server, repository, 'moving', 'second');
  assert.equal((await send(server, 'GET', at('moving'))).body.toString(), second.manifest);
  assert.equal((await send(server, 'GET', at(first.digest))).body.toString(), first.manifest);
  // Back again, to a manifest that the repository has already.
  assert.equal((await putManifest(server, repository, 'moving', first.manifest)).status, 201);
  assert.equal((await send(server, 'HEAD', at('moving'))).headers['docker-content-digest'], first.digest);
  assert.deepEqual(
    (await eventsOf(log, `tag/${repository}:moving`)).map(({ type, data }) => [type, data.digest]),
    [
      ['TagAssigned', first.digest],
      ['TagMoved', second.digest],
      ['TagMoved', first.digest],
    ],
  );
});

test('tags that differ in case are two tags', async () => {
  const lower = await pushImage(server, repository, 'case', 'lower');
  const upper = await pushImage(server, repository, 'CASE', 'upper');
  assert.equal((await send(server, 'GET', at('case'))).body.toString(), lower.manifest);
  assert.equal((await send(server, 'GET', at('CASE'))).body.toString(), upper.manifest);
});

test('a push by tag has a sha256 digest, as every client computes it', async () => {
  const { digest } = await pushImage(server, repository, 'plain');
  assert.equal((await send(server, 'HEAD', at('plain'))).headers['docker-content-digest'], digest);
});

test('who pushed what, from where and with what is recorded', async () => {
  const { digest } = await pushImage(server, repository, 'audited');
  const [pushed] = await eventsOf(log, `artifact/${repository}@${digest}`);
  const { metadata } = pushed ?? assert.fail();
  assert.equal(metadata.actor, 'user:admin');
  assert.equal(metadata.clientIp, '127.0.0.1');
  assert.match(metadata.requestId ?? '', /^[0-9a-f-]{36}$/);
  assert.equal(metadata.correlationId, metadata.requestId);
});

for (const [what, reference] of Object.entries({
  tag: 'never-pushed',
  digest: digestOf('never pushed'),
})) {
  test(`a ${what} that was never pushed is unknown, by GET and by HEAD`, async () => {
    assert.deepEqual(refusalOf(await send(server, 'GET', at(reference))), [404, 'MANIFEST_UNKNOWN']);
    const head = await send(server, 'HEAD', at(reference));
    assert.deepEqual([head.status, head.body.length], [404, 0]);
  });
}

test('a manifest of another repository is unknown here', async () => {
  const { digest } = await pushImage(server, 'library/elsewhere', 'there');
  for (const reference of ['there', digest]) {
    const answer = await send(server, 'GET', at(reference).replace(repository, 'library/empty'));
    assert.deepEqual(refusalOf(answer), [404, 'MANIFEST_UNKNOWN']);
  }
});

test('a manifest whose bytes the store has lost is an outage, which has no digest', async () => {
  const { digest } = await pushImage(server, repository, 'lost', 'soon to be lost');
  const hex = digest.slice('sha256:'.length);
  await rm(join(server.dataDirectory, 'blobs', 'blobs', 'sha256', hex.slice(0, 2), hex), { recursive: true });
  for (const reference of ['lost', digest]) {
    const answer = await send(server, 'GET', at(reference));
    assert.deepEqual(refusalOf(answer), [503, 'UNAVAILABLE']);
    for (const name of ['etag', 'docker-content-digest']) assert.equal(answer.headers[name], undefined, name);
  }
});

test('a manifest that the store has cut short is never served as if it were whole', async () => {
  const { digest } = await pushImage(server, repository, 'short', 'soon to be cut short');
  const hex = digest.slice('sha256:'.length);
  const folder = join(server.dataDirectory, 'blobs', 'blobs', 'sha256', hex.slice(0, 2), hex);
  const [file = ''] = await readdir(folder);
  await truncate(join(folder, file), 10);
  for (const reference of ['short', digest, 'short']) {
    const outcome = await send(server, 'GET', at(reference)).then(
      ({ status }) => status,
      () => 'cut off',
    );
    assert.ok(outcome === 503 || outcome === 'cut off', String(outcome));
  }
});
