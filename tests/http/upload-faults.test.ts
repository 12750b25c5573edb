import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { type Answer, digestOf, refusalOf, send, startUpload } from './client.ts';

const server = await startServer({ after });
const repository = 'library/faults';
const uploads = `/v2/${repository}/blobs/uploads/`;
const bytes = randomBytes(1000);
const digest = digestOf(bytes);

/** An upload with the first 500 bytes. */
async function halfDone(): Promise<string> {
  const location = await startUpload(server, repository);
  const answer = await send(server, 'PATCH', location, { body: bytes.subarray(0, 500) });
  assert.equal(answer.status, 202);
  return location;
}

/** The upload still holds its first 500 bytes, and can be finished. */
async function isUnharmed(location: string): Promise<void> {
  const status = await send(server, 'GET', location);
  assert.deepEqual([status.status, status.headers.range], [204, '0-499']);
  const finished = await send(server, 'PUT', `${location}?digest=${digest}`, { body: bytes.subarray(500) });
  assert.equal(finished.status, 201, finished.body.toString());
}

function isOutOfRange(answer: Answer, location: string): void {
  assert.deepEqual(refusalOf(answer), [416, 'RANGE_INVALID']);
  assert.equal(answer.headers.location, location);
  assert.equal(answer.headers.range, '0-499');
  assert.equal(answer.headers['docker-upload-uuid'], location.split('/').at(-1));
}

for (const [fault, start] of Object.entries({ 'skips ahead': 600, 'goes back': 0, overlaps: 499 })) {
  test(`a chunk that ${fault} is refused with where the upload ends, and the upload goes on`, async () => {
    const location = await halfDone();
    const headers = { 'content-range': `${start}-${start + 99}` };
    isOutOfRange(await send(server, 'PATCH', location, { headers, body: bytes.subarray(0, 100) }), location);
    await isUnharmed(location);
  });

  test(`a closing PUT whose chunk ${fault} is refused with where the upload ends, and the upload goes on`, async () => {
    const location = await halfDone();
    const headers = { 'content-range': `${start}-${start + 99}` };
    const body = bytes.subarray(0, 100);
    isOutOfRange(await send(server, 'PUT', `${location}?digest=${digest}`, { headers, body }), location);
    // As a client asks after that: the digest is still in its hands.
    const status = await send(server, 'GET', `${location}?digest=${digest}`);
    assert.deepEqual([status.status, status.headers.range], [204, '0-499']);
    await isUnharmed(location);
  });
}

test('a chunk that is sent again is refused, and is not appended twice', async () => {
  const location = await startUpload(server, repository);
  const chunk = { headers: { 'content-range': '0-499' }, body: bytes.subarray(0, 500) };
  assert.equal((await send(server, 'PATCH', location, chunk)).status, 202);
  isOutOfRange(await send(server, 'PATCH', location, chunk), location);
  await isUnharmed(location);
});

test('a first chunk that does not start at 0 is refused with the range 0-0', async () => {
  const location = await startUpload(server, repository);
  const headers = { 'content-range': '500-999' };
  const answer = await send(server, 'PATCH', location, { headers, body: bytes.subarray(500) });
  assert.deepEqual(refusalOf(answer), [416, 'RANGE_INVALID']);
  assert.equal(answer.headers.range, '0-0');
});

for (const range of ['9-0', '-5', '0-', 'abc', 'bytes', '0-99999999999999999999', '500-599, 600-699']) {
  test(`the Content-Range ${range} is refused, and the upload goes on`, async () => {
    const location = await halfDone();
    const headers = { 'content-range': range };
    const answer = await send(server, 'PATCH', location, { headers, body: bytes.subarray(500, 600) });
    assert.deepEqual(refusalOf(answer), [400, 'BLOB_UPLOAD_INVALID']);
    await isUnharmed(location);
  });
}

test('a Content-Range that spans more or less than the Content-Length is refused, and the upload goes on', async () => {
  const location = await halfDone();
  for (const range of ['500-509', '500-999']) {
    const headers = { 'content-range': range };
    const answer = await send(server, 'PATCH', location, { headers, body: bytes.subarray(500, 600) });
    assert.deepEqual(refusalOf(answer), [400, 'SIZE_INVALID']);
  }
  await isUnharmed(location);
});

const badDigests: Readonly<Record<string, string>> = {
  'is missing': '',
  'is empty': '?digest=',
  'is too short': '?digest=sha256:abc',
  'has upper-case hex': `?digest=${digest.slice(0, -1)}F`,
  'is of an algorithm that is not supported': `?digest=md5:${'a'.repeat(32)}`,
  'comes twice': `?digest=${digest}&digest=${digest}`,
  'comes twice, once empty': `?digest=&digest=${digest}`,
  'comes as a list': `?digest[]=${digest}`,
  'comes as a map': `?digest[a]=${digest}`,
  'has a line break after it': `?digest=${digest}%0d%0aX-Header:%20x`,
  'has a NUL after it': `?digest=${digest}%00`,
};
for (const [fault, query] of Object.entries(badDigests)) {
  test(`a closing PUT whose digest ${fault} is refused, and the upload goes on`, async () => {
    const location = await halfDone();
    const body = bytes.subarray(500);
    const answer = await send(server, 'PUT', `${location}${query}`, { body });
    assert.deepEqual(refusalOf(answer), [400, 'DIGEST_INVALID']);
    await isUnharmed(location);
  });
}

for (const [fault, query] of Object.entries(badDigests).filter(([, query]) => query !== '')) {
  test(`a single POST whose digest ${fault} is refused`, async () => {
    const answer = await send(server, 'POST', `${uploads}${query}`, { body: bytes });
    assert.deepEqual(refusalOf(answer), [400, 'DIGEST_INVALID']);
  });
}

const ways: Readonly<Record<string, (claimed: string) => Promise<Answer>>> = {
  'a single POST': (claimed) => send(server, 'POST', `${uploads}?digest=${claimed}`, { body: 'other bytes' }),
  'POST and PUT': async (claimed) =>
    send(server, 'PUT', `${await startUpload(server, repository)}?digest=${claimed}`, {
      body: 'other bytes',
    }),
  'a streamed PATCH and PUT': async (claimed) => {
    const location = await startUpload(server, repository);
    await send(server, 'PATCH', location, { body: [Buffer.from('other bytes')] });
    return send(server, 'PUT', `${location}?digest=${claimed}`);
  },
  'chunks with the last one in the PUT': async (claimed) => {
    const location = await startUpload(server, repository);
    await send(server, 'PATCH', location, { headers: { 'content-range': '0-4' }, body: 'other' });
    const last = { headers: { 'content-range': '5-10' }, body: ' bytes' };
    return send(server, 'PUT', `${location}?digest=${claimed}`, last);
  },
};
for (const [way, push] of Object.entries(ways)) {
  test(`bytes that have not the digest of ${way} are refused, and nothing is found under it`, async () => {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const claimed = digestOf(`claimed by ${way}`, algorithm);
      assert.deepEqual(refusalOf(await push(claimed)), [400, 'DIGEST_INVALID']);
      assert.equal((await send(server, 'HEAD', `/v2/${repository}/blobs/${claimed}`)).status, 404);
    }
  });
}

test('an upload whose bytes had not the digest is gone', async () => {
  const location = await halfDone();
  assert.equal((await send(server, 'PUT', `${location}?digest=${digestOf('x')}`)).status, 400);
  assert.deepEqual(refusalOf(await send(server, 'GET', location)), [404, 'BLOB_UPLOAD_UNKNOWN']);
});

test('an upload is unknown in any other repository, by every method, and is not harmed by it', async () => {
  const location = await halfDone();
  const elsewhere = location.replace(repository, 'library/elsewhere');
  const unknown = [404, 'BLOB_UPLOAD_UNKNOWN'];
  assert.deepEqual(refusalOf(await send(server, 'GET', elsewhere)), unknown);
  assert.deepEqual(refusalOf(await send(server, 'PATCH', elsewhere, { body: 'x' })), unknown);
  assert.deepEqual(
    refusalOf(await send(server, 'PUT', `${elsewhere}?digest=${digest}`, { body: 'x' })),
    unknown,
  );
  assert.deepEqual(refusalOf(await send(server, 'DELETE', elsewhere)), unknown);
  await isUnharmed(location);
});

for (const session of [
  randomUUID(),
  randomUUID().toUpperCase(),
  'x',
  '..',
  '..%2f..%2fblobs',
  '%2e%2e',
  '%00',
  'a%0d%0ab',
  'a'.repeat(500),
]) {
  test(`the upload ${session.slice(0, 40)} is unknown, like any that never was`, async () => {
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const answer = await send(server, method, `${uploads}${session}`);
      assert.deepEqual(refusalOf(answer), [404, 'BLOB_UPLOAD_UNKNOWN']);
    }
    const put = await send(server, 'PUT', `${uploads}${session}?digest=${digest}`, { body: bytes });
    assert.deepEqual(refusalOf(put), [404, 'BLOB_UPLOAD_UNKNOWN']);
  });
}
