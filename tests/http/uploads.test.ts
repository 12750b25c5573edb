import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { type Answer, digestOf, header, refusalOf, send, startUpload } from './client.ts';

const server = await startServer({ after });
const repository = 'library/uploads';
const uploads = `/v2/${repository}/blobs/uploads/`;

const isProgress = (answer: Answer, status: number, location: string, range: string) => {
  assert.equal(answer.status, status, answer.body.toString());
  assert.equal(answer.headers.location, location);
  assert.equal(answer.headers.range, range);
  assert.equal(answer.headers['docker-upload-uuid'], location.split('/').at(-1));
  assert.equal(answer.body.length, 0);
};

async function isStored(answer: Answer, bytes: Uint8Array, digest = digestOf(bytes)): Promise<void> {
  assert.equal(answer.status, 201, answer.body.toString());
  assert.equal(answer.headers['docker-content-digest'], digest);
  const location = header(answer, 'location');
  assert.equal(location, `/v2/${repository}/blobs/${digest}`);
  // At once: clients ask for each blob right after they have pushed it.
  const { status, body, headers } = await send(server, 'GET', location);
  assert.equal(status, 200);
  assert.equal(headers['content-length'], String(bytes.length));
  assert.ok(body.equals(bytes), 'the bytes that were sent come back');
}

const isGone = async (location: string) =>
  assert.deepEqual(refusalOf(await send(server, 'GET', location)), [404, 'BLOB_UPLOAD_UNKNOWN']);

test('an upload opens with a location that holds all there is to know, and the range 0-0', async () => {
  const answer = await send(server, 'POST', uploads);
  const location = header(answer, 'location');
  assert.match(location, new RegExp(`^${uploads}[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`));
  isProgress(answer, 202, location, '0-0');
  assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
});

test('an upload opens without the trailing slash as well, and no two are the same', async () => {
  const first = await send(server, 'POST', uploads.slice(0, -1));
  const second = await send(server, 'POST', uploads.slice(0, -1));
  assert.deepEqual([first.status, second.status], [202, 202]);
  assert.notEqual(first.headers.location, second.headers.location);
});

test('a single POST with the digest stores the blob', async () => {
  const bytes = randomBytes(1000);
  await isStored(await send(server, 'POST', `${uploads}?digest=${digestOf(bytes)}`, { body: bytes }), bytes);
});

test('a single POST may come in chunks without a length', async () => {
  const chunks = Array.from({ length: 20 }, () => randomBytes(5000));
  const bytes = Buffer.concat(chunks);
  await isStored(await send(server, 'POST', `${uploads}?digest=${digestOf(bytes)}`, { body: chunks }), bytes);
});

test('POST and then PUT with the whole body stores the blob, and ends the upload', async () => {
  const bytes = randomBytes(100_000);
  const location = await startUpload(server, repository);
  await isStored(await send(server, 'PUT', `${location}?digest=${digestOf(bytes)}`, { body: bytes }), bytes);
  await isGone(location);
});

test('one PATCH streams a body of unknown length, and an empty PUT stores it', async () => {
  const chunks = Array.from({ length: 50 }, () => randomBytes(65_536));
  const bytes = Buffer.concat(chunks);
  const location = await startUpload(server, repository);
  isProgress(await send(server, 'PATCH', location, { body: chunks }), 202, location, `0-${bytes.length - 1}`);
  isProgress(await send(server, 'GET', location), 204, location, `0-${bytes.length - 1}`);
  await isStored(await send(server, 'PUT', `${location}?digest=${digestOf(bytes)}`), bytes);
});

test('chunks with a Content-Range are put one after the other', async () => {
  const bytes = randomBytes(3000);
  const location = await startUpload(server, repository);
  for (const start of [0, 1000, 2000]) {
    const body = bytes.subarray(start, start + 1000);
    const answer = await send(server, 'PATCH', location, {
      body,
      headers: { 'content-range': `${start}-${start + 999}` },
    });
    isProgress(answer, 202, location, `0-${start + 999}`);
    isProgress(await send(server, 'GET', location), 204, location, `0-${start + 999}`);
  }
  await isStored(await send(server, 'PUT', `${location}?digest=${digestOf(bytes)}`), bytes);
});

test('the last chunk may come in the PUT, with or without a Content-Range', async () => {
  for (const headers of [{ 'content-range': '1500-1999' }, {}] as const) {
    const bytes = randomBytes(2000);
    const location = await startUpload(server, repository);
    await send(server, 'PATCH', location, { body: bytes.subarray(0, 1500) });
    const body = bytes.subarray(1500);
    await isStored(
      await send(server, 'PUT', `${location}?digest=${digestOf(bytes)}`, { body, headers }),
      bytes,
    );
  }
});

test('chunks without a Content-Range are appended, and one with it may come without a length', async () => {
  const bytes = randomBytes(300);
  const location = await startUpload(server, repository);
  await send(server, 'PATCH', location, { body: bytes.subarray(0, 100) });
  await send(server, 'PATCH', location, { body: bytes.subarray(100, 200) });
  const answer = await send(server, 'PATCH', location, {
    body: [bytes.subarray(200)],
    headers: { 'content-range': '200-299' },
  });
  isProgress(answer, 202, location, '0-299');
  await isStored(await send(server, 'PUT', `${location}?digest=${digestOf(bytes)}`), bytes);
});

test('one byte and no byte have the same range, since no client reads a negative number', async () => {
  const location = await startUpload(server, repository);
  isProgress(await send(server, 'PATCH', location, { body: '' }), 202, location, '0-0');
  isProgress(await send(server, 'PATCH', location, { body: 'x' }), 202, location, '0-0');
  isProgress(await send(server, 'GET', location), 204, location, '0-0');
});

for (const contentType of [
  'application/octet-stream',
  'application/json',
  'text/plain',
  'application/x-of-my-own; a=b',
]) {
  test(`the Content-Type ${contentType} changes nothing about a body`, async () => {
    const bytes = Buffer.from(`{"not": json ${contentType}`);
    const headers = { 'content-type': contentType };
    const post = `${uploads}?digest=${digestOf(contentType)}`;
    const whole = await send(server, 'POST', post, { headers, body: contentType });
    await isStored(whole, Buffer.from(contentType));
    const location = await startUpload(server, repository);
    await send(server, 'PATCH', location, { headers, body: bytes.subarray(0, 5) });
    const put = `${location}?digest=${digestOf(bytes)}`;
    await isStored(await send(server, 'PUT', put, { headers, body: bytes.subarray(5) }), bytes);
  });
}

const empty = Buffer.alloc(0);
for (const algorithm of ['sha256', 'sha512'] as const) {
  const digest = digestOf(empty, algorithm);

  test(`a blob of no bytes is stored as ${algorithm} by one POST, by PUT and by an empty PATCH`, async () => {
    await isStored(await send(server, 'POST', `${uploads}?digest=${digest}`, { body: empty }), empty, digest);

    const put = await startUpload(server, repository);
    await isStored(await send(server, 'PUT', `${put}?digest=${digest}`, { body: empty }), empty, digest);

    const patched = await startUpload(server, repository);
    await send(server, 'PATCH', patched, { body: [] });
    await isStored(await send(server, 'PUT', `${patched}?digest=${digest}`), empty, digest);
  });
}

test('a blob that is pushed as sha512 is found as sha512, however it came', async () => {
  const ways: ((bytes: Buffer, digest: string) => Promise<Answer>)[] = [
    (bytes, digest) => send(server, 'POST', `${uploads}?digest=${digest}`, { body: bytes }),
    async (bytes, digest) =>
      send(server, 'PUT', `${await startUpload(server, repository)}?digest=${digest}`, { body: bytes }),
    async (bytes, digest) => {
      const location = await startUpload(server, repository);
      await send(server, 'PATCH', location, { body: [bytes.subarray(0, 500)] });
      return send(server, 'PUT', `${location}?digest=${digest}`, { body: bytes.subarray(500) });
    },
  ];
  for (const push of ways) {
    const bytes = randomBytes(1000);
    const digest = digestOf(bytes, 'sha512');
    await isStored(await push(bytes, digest), bytes, digest);
    assert.equal((await send(server, 'HEAD', `/v2/${repository}/blobs/${digestOf(bytes)}`)).status, 404);
  }
});

test('the same blob can be pushed again, to the same repository and to another one', async () => {
  const bytes = randomBytes(100);
  const digest = digestOf(bytes);
  for (const name of [repository, repository, 'library/other']) {
    const answer = await send(server, 'POST', `/v2/${name}/blobs/uploads/?digest=${digest}`, { body: bytes });
    assert.equal(answer.status, 201);
    assert.equal((await send(server, 'HEAD', `/v2/${name}/blobs/${digest}`)).status, 200);
  }
});

test('a cancelled upload is gone for every request, and cannot be cancelled twice', async () => {
  const location = await startUpload(server, repository);
  await send(server, 'PATCH', location, { body: 'abc' });
  const cancelled = await send(server, 'DELETE', location);
  assert.deepEqual([cancelled.status, cancelled.body.length], [204, 0]);

  await isGone(location);
  const unknown = [404, 'BLOB_UPLOAD_UNKNOWN'];
  assert.deepEqual(refusalOf(await send(server, 'PATCH', location, { body: 'def' })), unknown);
  assert.deepEqual(refusalOf(await send(server, 'PUT', `${location}?digest=${digestOf('abc')}`)), unknown);
  assert.deepEqual(refusalOf(await send(server, 'DELETE', location)), unknown);
});

test('a finished upload takes nothing any more', async () => {
  const location = await startUpload(server, repository);
  await send(server, 'PUT', `${location}?digest=${digestOf('abc')}`, { body: 'abc' });
  assert.deepEqual(refusalOf(await send(server, 'PATCH', location, { body: 'def' })), [
    404,
    'BLOB_UPLOAD_UNKNOWN',
  ]);
  assert.equal((await send(server, 'HEAD', `/v2/${repository}/blobs/${digestOf('abc')}`)).status, 200);
});

test('a mount that is not there to be had opens an upload instead', async () => {
  const mount = `${uploads}?mount=${digestOf('abc')}&from=library/nowhere`;
  const answer = await send(server, 'POST', mount);
  const location = header(answer, 'location');
  isProgress(answer, 202, location, '0-0');
  const bytes = randomBytes(10);
  await isStored(await send(server, 'PUT', `${location}?digest=${digestOf(bytes)}`, { body: bytes }), bytes);
});
