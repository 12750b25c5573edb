import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { digestOf, lastingHeaders, pushBlob, refusalOf, send } from './client.ts';

const server = await startServer({ after });
const content = Buffer.from('0123456789abcdefghijklmnopqrstuvwxyz');
const { digest } = await pushBlob(server, 'library/blobs', content);
const path = `/v2/library/blobs/blobs/${digest}`;
const unknown = digestOf('never pushed');

test('a blob is read back byte for byte, with its length, digest and an ETag', async () => {
  const { status, headers, body } = await send(server, 'GET', path);
  assert.equal(status, 200);
  assert.deepEqual(body, content);
  assert.equal(headers['content-length'], String(content.length));
  assert.equal(headers['content-type'], 'application/octet-stream');
  assert.equal(headers['docker-content-digest'], digest);
  assert.equal(headers.etag, `"${digest}"`);
  assert.equal(headers['accept-ranges'], 'bytes');
  assert.equal(headers['docker-distribution-api-version'], 'registry/2.0');
});

test('a browser is told not to make anything of a blob', async () => {
  const { headers } = await send(server, 'GET', path);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['content-security-policy'], "default-src 'none'");
});

test('HEAD of a blob has the headers of GET and no body', async () => {
  const head = await send(server, 'HEAD', path);
  const get = await send(server, 'GET', path);
  assert.equal(head.status, 200);
  assert.equal(head.body.length, 0);
  assert.deepEqual(lastingHeaders(head), lastingHeaders(get));
});

test('a blob that was never pushed is unknown, and GET names it', async () => {
  const get = await send(server, 'GET', `/v2/library/blobs/blobs/${unknown}`);
  assert.deepEqual(refusalOf(get), [404, 'BLOB_UNKNOWN']);
  assert.deepEqual(JSON.parse(get.body.toString()).errors[0].detail, { digest: unknown });
  const head = await send(server, 'HEAD', `/v2/library/blobs/blobs/${unknown}`);
  assert.deepEqual([head.status, head.body.length], [404, 0]);
});

test('a blob of another repository is unknown here', async () => {
  await pushBlob(server, 'library/elsewhere', 'only elsewhere');
  const other = digestOf('only elsewhere');
  assert.equal((await send(server, 'HEAD', `/v2/library/elsewhere/blobs/${other}`)).status, 200);
  assert.equal((await send(server, 'HEAD', `/v2/library/blobs/blobs/${other}`)).status, 404);
  assert.deepEqual(refusalOf(await send(server, 'GET', `/v2/library/blobs/blobs/${other}`)), [
    404,
    'BLOB_UNKNOWN',
  ]);
});

test('the same bytes under the name of another algorithm are another blob', async () => {
  const sha512 = digestOf(content, 'sha512');
  assert.equal((await send(server, 'HEAD', `/v2/library/blobs/blobs/${sha512}`)).status, 404);
});

for (const bad of [
  'sha256:abc',
  digest.toUpperCase(),
  `${digest}0`,
  digest.replace('sha256', 'md5'),
  digest.replace(':', '-'),
  'sha256:..%2f..%2fetc%2fpasswd',
  `${digest}%00`,
  `${digest}%0d%0a`,
  'latest',
]) {
  test(`GET and HEAD of a blob under ${bad.slice(0, 40)} are refused as a bad digest`, async () => {
    assert.deepEqual(refusalOf(await send(server, 'GET', `/v2/library/blobs/blobs/${bad}`)), [
      400,
      'DIGEST_INVALID',
    ]);
    assert.equal((await send(server, 'HEAD', `/v2/library/blobs/blobs/${bad}`)).status, 400);
  });
}

const size = content.length;
const ranges: readonly [header: string, start: number, end: number][] = [
  ['bytes=0-0', 0, 0],
  ['bytes=0-9', 0, 9],
  ['bytes=10-19', 10, 19],
  [`bytes=${size - 1}-${size - 1}`, size - 1, size - 1],
  ['bytes=30-', 30, size - 1],
  ['bytes=0-', 0, size - 1],
  ['bytes=-1', size - 1, size - 1],
  ['bytes=-10', size - 10, size - 1],
  [`bytes=-${size}`, 0, size - 1],
  ['bytes=-1000', 0, size - 1],
  ['bytes=30-1000', 30, size - 1],
  ['bytes=0-18446744073709551616', 0, size - 1],
  [`bytes=-${'9'.repeat(400)}`, 0, size - 1],
  ['Bytes=0-9', 0, 9],
];
for (const [range, start, end] of ranges) {
  test(`Range: ${range.slice(0, 40)} of ${size} bytes is answered with bytes ${start} to ${end}`, async () => {
    const { status, headers, body } = await send(server, 'GET', path, { headers: { range } });
    assert.equal(status, 206);
    assert.equal(headers['content-range'], `bytes ${start}-${end}/${size}`);
    assert.equal(headers['content-length'], String(end - start + 1));
    assert.equal(headers['docker-content-digest'], digest);
    assert.deepEqual(body, content.subarray(start, end + 1));
  });
}

for (const range of [
  `bytes=${size}-`,
  `bytes=${size}-${size + 5}`,
  'bytes=1000-2000',
  'bytes=20-10',
  'bytes=500-0',
  'bytes=-0',
  `bytes=${'9'.repeat(400)}-`,
]) {
  test(`Range: ${range.slice(0, 40)} of ${size} bytes is not satisfiable, and the answer says how many there are`, async () => {
    const answer = await send(server, 'GET', path, { headers: { range } });
    assert.deepEqual(refusalOf(answer), [416, 'RANGE_INVALID']);
    assert.equal(answer.headers['content-range'], `bytes */${size}`);
    assert.equal(answer.headers['content-length'], String(answer.body.length));
  });
}

for (const range of [
  'bytes=0-1,5-6',
  `bytes=${Array(1000).fill('0-').join(',')}`,
  'bytes=abc',
  'bytes=-',
  'bytes=',
  'items=0-5',
  '0-5',
]) {
  test(`Range: ${range.slice(0, 30)} is left aside and the whole blob is sent once`, async () => {
    const { status, body } = await send(server, 'GET', path, { headers: { range } });
    assert.equal(status, 200);
    assert.deepEqual(body, content);
  });
}

test('Range on HEAD is left aside', async () => {
  const { status, headers } = await send(server, 'HEAD', path, { headers: { range: 'bytes=0-3' } });
  assert.equal(status, 200);
  assert.equal(headers['content-length'], String(size));
});

const unchanged: Readonly<Record<string, string>> = {
  'its ETag': `"${digest}"`,
  'its ETag as a weak one': `W/"${digest}"`,
  'its digest without quotes': digest,
  'its ETag in a list': `"a", W/"b" ,"${digest}","c"`,
  'its ETag after empty entries': `,, ,"${digest}"`,
  'anything at all': '*',
};
for (const [known, tags] of Object.entries(unchanged)) {
  test(`a client that has ${known} is told that nothing has changed, by GET, HEAD and whatever its range`, async () => {
    for (const [method, range] of [
      ['GET', undefined],
      ['HEAD', undefined],
      ['GET', 'bytes=0-3'],
      ['GET', 'bytes=1000-'],
    ] as const) {
      const headers = { 'if-none-match': tags, ...(range !== undefined && { range }) };
      const answer = await send(server, method, path, { headers });
      assert.deepEqual([answer.status, answer.body.length], [304, 0]);
      assert.equal(answer.headers.etag, `"${digest}"`);
      assert.equal(answer.headers['docker-content-digest'], digest);
      for (const name of ['content-type', 'content-range', 'content-length'])
        assert.equal(answer.headers[name], undefined, name);
    }
  });
}

for (const tags of [
  `"${unknown}"`,
  `"${digest.slice(0, -1)}"`,
  `w/"${digest}"`,
  `"x${digest}"`,
  '',
  '"*"',
  `"${digest}`,
  Array(1000).fill('"a"').join(','),
]) {
  test(`If-None-Match: ${tags.slice(0, 30)} names another content, and the blob is sent`, async () => {
    const { status, body } = await send(server, 'GET', path, { headers: { 'if-none-match': tags } });
    assert.deepEqual([status, body], [200, content]);
  });
}

test('a blob that is unknown here is not found, whatever the client has of it', async () => {
  for (const tags of ['*', `"${unknown}"`]) {
    const headers = { 'if-none-match': tags };
    const answer = await send(server, 'GET', `/v2/library/blobs/blobs/${unknown}`, { headers });
    assert.deepEqual(refusalOf(answer), [404, 'BLOB_UNKNOWN']);
  }
});

test('a range with If-Range is a part of the same content, or else the whole', async () => {
  const range = 'bytes=10-19';
  const part = await send(server, 'GET', path, { headers: { range, 'if-range': `"${digest}"` } });
  assert.deepEqual([part.status, part.body], [206, content.subarray(10, 20)]);
  for (const other of [`"${unknown}"`, `W/"${digest}"`, 'Wed, 21 Oct 2026 07:28:00 GMT', '*']) {
    const whole = await send(server, 'GET', path, { headers: { range, 'if-range': other } });
    assert.deepEqual([whole.status, whole.body], [200, content], other);
    assert.equal(whole.headers['content-range'], undefined);
  }
});

test('a blob without bytes is an empty 200, and any range of it is not satisfiable', async () => {
  const empty = await pushBlob(server, 'library/blobs', '');
  const at = `/v2/library/blobs/blobs/${empty.digest}`;
  const head = await send(server, 'HEAD', at);
  assert.deepEqual([head.status, head.headers['content-length']], [200, '0']);
  const get = await send(server, 'GET', at);
  assert.deepEqual([get.status, get.headers['content-length'], get.body.length], [200, '0', 0]);
  for (const range of ['bytes=0-', 'bytes=0-0', 'bytes=-1']) {
    const answer = await send(server, 'GET', at, { headers: { range } });
    assert.deepEqual(refusalOf(answer), [416, 'RANGE_INVALID']);
    assert.equal(answer.headers['content-range'], 'bytes */0');
  }
});

test('bytes that the store has lost are an outage, which no cache keeps for an answer', async () => {
  const lost = await pushBlob(server, 'library/blobs', 'soon to be lost');
  const hex = lost.digest.slice('sha256:'.length);
  await rm(join(server.dataDirectory, 'blobs', 'blobs', 'sha256', hex.slice(0, 2), hex), { recursive: true });
  for (const headers of [{}, { range: 'bytes=0-3' }]) {
    const answer = await send(server, 'GET', `/v2/library/blobs/blobs/${lost.digest}`, { headers });
    assert.deepEqual(refusalOf(answer), [503, 'UNAVAILABLE']);
    assert.equal(answer.headers['retry-after'], '1');
    for (const name of ['cache-control', 'etag', 'content-range', 'docker-content-digest', 'accept-ranges']) {
      assert.equal(answer.headers[name], undefined, name);
    }
  }
});

test('bytes that the store has cut short end the connection, and never pass for the blob', async () => {
  const content = randomBytes(3_000_000);
  const { digest } = await pushBlob(server, 'library/blobs', content);
  const hex = digest.slice('sha256:'.length);
  const folder = join(server.dataDirectory, 'blobs', 'blobs', 'sha256', hex.slice(0, 2), hex);
  const [file = ''] = await readdir(folder);
  await truncate(join(folder, file), 2_000_000);
  const path = `/v2/library/blobs/blobs/${digest}`;
  await assert.rejects(send(server, 'GET', path), { code: 'ECONNRESET' });
  await assert.rejects(send(server, 'GET', path, { headers: { range: 'bytes=1000-' } }), {
    code: 'ECONNRESET',
  });
  const whole = await send(server, 'GET', path, { headers: { range: 'bytes=1000-1999999' } });
  assert.ok(whole.body.equals(content.subarray(1000, 2_000_000)));
});
