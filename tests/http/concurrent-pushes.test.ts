import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { digestOf, header, imageOf, pushBlob, putManifest, refusalOf, send, startUpload } from './client.ts';
import { eventsOf, openLogOf } from './server-log.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);
const clients = 50;
const each = <Result>(work: (index: number) => Promise<Result>) =>
  Promise.all(Array.from({ length: clients }, (_, index) => work(index)));

/** The random parts under which the store keeps bytes of the digest. */
async function keysOf(digest: string): Promise<string[]> {
  const hex = digest.slice('sha256:'.length);
  const folder = join(server.dataDirectory, 'blobs', 'blobs', 'sha256', hex.slice(0, 2), hex);
  return (await readdir(folder)).map((random) => `sha256/${hex.slice(0, 2)}/${hex}/${random}`);
}

/** A rebuild of all views from the log finds the rows that are served. */
async function assertConsistent(): Promise<void> {
  const { code, output } = await server.run('verify');
  assert.equal(code, 0, output);
  assert.doesNotMatch(output, /DIFFERS/);
  assert.match(output, /verified/);
}

test('of 50 first pushes of one blob at once every one is 201, and the bytes are kept once', async () => {
  const bytes = randomBytes(200_000);
  const digest = digestOf(bytes);
  const path = '/v2/library/same/blobs/uploads/';
  const answers = await each(async (index) => {
    // Half of them in one request, half of them through an upload.
    if (index % 2 === 0) return send(server, 'POST', `${path}?digest=${digest}`, { body: bytes });
    const location = await startUpload(server, 'library/same');
    return send(server, 'PUT', `${location}?digest=${digest}`, { body: bytes });
  });
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));

  const [stored, linked, ...others] = await eventsOf(log, `blob/${digest}`);
  assert.deepEqual([stored?.type, linked?.type, others.length], ['BlobStored', 'BlobLinked', 0]);
  assert.deepEqual(await keysOf(digest), [stored?.data.key]);
  const { body } = await send(server, 'GET', `/v2/library/same/blobs/${digest}`);
  assert.ok(body.equals(bytes));
});

test('of 50 first pushes of one blob to as many repositories every one is linked, and the bytes are kept once', async () => {
  const bytes = randomBytes(1000);
  const digest = digestOf(bytes);
  const answers = await each((index) =>
    send(server, 'POST', `/v2/library/repository-${index}/blobs/uploads/?digest=${digest}`, { body: bytes }),
  );
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));

  const events = await eventsOf(log, `blob/${digest}`);
  assert.equal(events.filter(({ type }) => type === 'BlobStored').length, 1);
  const linked = events.filter(({ type }) => type === 'BlobLinked').map(({ data }) => data.repository);
  assert.equal(new Set(linked).size, clients);
  assert.equal(linked.length, clients);
  assert.deepEqual(await keysOf(digest), [events[0]?.data.key]);
  const heads = await each((index) =>
    send(server, 'HEAD', `/v2/library/repository-${index}/blobs/${digest}`),
  );
  assert.deepEqual(new Set(heads.map(({ status }) => status)), new Set([200]));
});

test('of 50 pushes of one manifest to one tag at once every one is 201, and it is recorded once', async () => {
  const blob = await pushBlob(server, 'library/manifest', '{}');
  const manifest = imageOf(blob, [blob]);
  const digest = digestOf(manifest);
  const answers = await each(() => putManifest(server, 'library/manifest', 'same', manifest));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));

  const [pushed, ...others] = await eventsOf(log, `artifact/library/manifest@${digest}`);
  assert.equal(others.length, 0);
  assert.deepEqual(await keysOf(digest), [pushed?.data.key]);
  assert.deepEqual(
    (await eventsOf(log, 'tag/library/manifest:same')).map(({ type }) => type),
    ['TagAssigned'],
  );
});

test('of 50 manifests that are pushed to one tag at once every one is 201, and the tag is where its last event says', async () => {
  const blob = await pushBlob(server, 'library/tag', '{}');
  const manifests = Array.from({ length: clients }, (_, index) =>
    imageOf(blob, [blob], { annotations: { index: String(index) } }),
  );
  const answers = await each((index) =>
    putManifest(server, 'library/tag', 'contested', manifests[index] ?? ''),
  );
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));

  const events = await eventsOf(log, 'tag/library/tag:contested');
  const where = events.map(({ data }) => data.digest);
  assert.deepEqual(new Set(where), new Set(manifests.map((manifest) => digestOf(manifest))));
  assert.equal(where.length, clients, 'one event for each accepted push');
  assert.deepEqual(
    events.map(({ data }) => data.from),
    [undefined, ...where.slice(0, -1)],
  );
  const served = await send(server, 'GET', '/v2/library/tag/manifests/contested');
  assert.equal(served.headers['docker-content-digest'], where.at(-1));
  const list = await send(server, 'GET', '/v2/library/tag/tags/list');
  assert.deepEqual(JSON.parse(list.body.toString()).tags, ['contested']);
});

test('of 50 whole images that are pushed at once each can be pulled as soon as its push is answered', async () => {
  await each(async (index) => {
    const repository = `library/image-${index % 5}`;
    const layer = await pushBlob(server, repository, randomBytes(500));
    const config = await pushBlob(server, repository, '{}');
    const manifest = imageOf(config, [layer]);
    const put = await putManifest(server, repository, `tag-${index}`, manifest);
    assert.equal(put.status, 201, put.body.toString());
    const { body } = await send(server, 'GET', header(put, 'location'));
    assert.equal(body.toString(), manifest);
    const tagged = await send(server, 'GET', `/v2/${repository}/manifests/tag-${index}`);
    assert.equal(tagged.body.toString(), manifest);
    assert.equal((await send(server, 'HEAD', `/v2/${repository}/blobs/${layer.digest}`)).status, 200);
  });
});

test('of 20 requests that finish one upload at once one or more are 201, and the bytes are kept once', async () => {
  const bytes = randomBytes(1000);
  const digest = digestOf(bytes);
  const location = await startUpload(server, 'library/finish');
  await send(server, 'PATCH', location, { body: bytes });
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => send(server, 'PUT', `${location}?digest=${digest}`)),
  );
  for (const answer of answers.filter(({ status }) => status !== 201)) {
    const refusal = refusalOf(answer);
    assert.ok(['404,BLOB_UPLOAD_UNKNOWN', '416,RANGE_INVALID'].includes(String(refusal)), String(refusal));
  }
  assert.ok(answers.some(({ status }) => status === 201));
  const [stored] = await eventsOf(log, `blob/${digest}`);
  assert.deepEqual(await keysOf(digest), [stored?.data.key]);
});

test('after all that no upload is left, and the views are what the log says', async () => {
  await until('no upload is left', async () => {
    const left = await readdir(join(server.dataDirectory, 'blobs', 'uploads'));
    return left.length === 0;
  });
  await assertConsistent();
});
