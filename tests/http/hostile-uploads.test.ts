import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { digestOf, pushBlob, pushImage, refusalOf, send, startUpload } from './client.ts';
import { askRaw, basic, head, openRaw, refusal } from './raw.ts';
import { watchOver } from './unharmed.ts';

const server = await startServer({ after });
await pushImage(server, 'library/hello', '1.0');
await pushBlob(server, 'library/hello', 'here');
const assertUnharmed = await watchOver({ after }, server);

const repository = 'library/hello';
const uploads = `/v2/${repository}/blobs/uploads/`;
const lines = [`host: ${server.registry}`, basic(server)];
const content = 'ten bytes.';

const ranges: readonly [range: string, ...wanted: [status: number, code: string][]][] = [
  ['9-0', [400, 'BLOB_UPLOAD_INVALID']],
  ['-5', [400, 'BLOB_UPLOAD_INVALID']],
  ['0-', [400, 'BLOB_UPLOAD_INVALID']],
  ['a-b', [400, 'BLOB_UPLOAD_INVALID']],
  ['0-9, 0-9', [400, 'BLOB_UPLOAD_INVALID']],
  ['0x0-0x9', [400, 'BLOB_UPLOAD_INVALID']],
  ['99999999999999999990-99999999999999999999', [400, 'BLOB_UPLOAD_INVALID']],
  ['0-99999999999999999999', [400, 'BLOB_UPLOAD_INVALID']],
  ['0-8', [400, 'SIZE_INVALID']],
  ['0-10', [400, 'SIZE_INVALID']],
  ['5-14', [416, 'RANGE_INVALID']],
  ['999999999999990-999999999999999', [416, 'RANGE_INVALID']],
];
for (const [range, ...wanted] of ranges) {
  test(`a chunk with the Content-Range ${range} is refused, and nothing of it stays`, async (t) => {
    const path = await startUpload(server, repository);
    const patch = [`PATCH ${path} HTTP/1.1`, ...lines, `content-range: ${range}`, 'content-length: 10'];
    assert.deepEqual([refusal(await askRaw(t, server, head(...patch) + content))], wanted);
    assert.equal((await send(server, 'GET', path)).headers.range, '0-0');
  });
}

test('a Content-Range as that of HTTP, with a unit and a total, is understood', async (t) => {
  const path = await startUpload(server, repository);
  const patch = [`PATCH ${path} HTTP/1.1`, ...lines, 'content-range: bytes 0-9/10', 'content-length: 10'];
  const answer = await askRaw(t, server, head(...patch) + content);
  assert.deepEqual([answer.status, answer.headers.range], [202, '0-9']);
});

/** Long enough that a part of it is stored while the rest is still to come. */
const long = Buffer.alloc(3_000_000, 'long');
const part = long.subarray(0, 2_000_000);

const endOf = async (path: string) => Number((await send(server, 'GET', path)).headers.range?.split('-')[1]);

for (const [what, line] of [
  ['a chunk', (path: string) => `PATCH ${path}`],
  ['a closing PUT', (path: string) => `PUT ${path}?digest=${digestOf(long)}`],
] as const) {
  test(`${what} whose client leaves in the middle commits nothing, and can be taken up again`, async (t) => {
    const path = await startUpload(server, repository);
    const connection = openRaw(t, server);
    connection.write(head(`${line(path)} HTTP/1.1`, ...lines, `content-length: ${long.length}`));
    connection.write(part);
    await until('some of it has come', async () => (await endOf(path)) > 0);
    connection.socket.resetAndDestroy();
    await until('the upload is free again', async () => {
      const end = await endOf(path);
      const rest = long.subarray(end + 1);
      const headers = { 'content-range': `${end + 1}-${long.length - 1}` };
      return (await send(server, 'PATCH', path, { headers, body: rest })).status === 202;
    });
    assert.equal(await endOf(path), long.length - 1);
    const blob = await send(server, 'HEAD', `/v2/${repository}/blobs/${digestOf(long)}`);
    assert.equal(blob.status, 404);
    assert.equal((await send(server, 'DELETE', path)).status, 204);
  });
}

test('of two chunks at once one is taken and the other one is told to wait', async (t) => {
  const path = await startUpload(server, repository);
  const first = openRaw(t, server);
  first.write(head(`PATCH ${path} HTTP/1.1`, ...lines, `content-length: ${long.length}`));
  first.write(part);
  await until('it is under way', async () => (await endOf(path)) > 0);
  const second = await send(server, 'PATCH', path, { body: 'other' });
  assert.deepEqual(refusalOf(second), [416, 'RANGE_INVALID']);
  first.write(long.subarray(part.length));
  assert.equal((await first.answer()).status, 202);
  assert.equal(await endOf(path), long.length - 1);
});

test('an upload that never was, one of another repository, and a path are answered alike', async (t) => {
  const foreign = (await startUpload(server, 'library/other')).split('/').at(-1) ?? '';
  const cancelled = await startUpload(server, repository);
  await send(server, 'DELETE', cancelled);
  const sessions = [randomUUID(), foreign, cancelled.split('/').at(-1) ?? ''];
  sessions.push(
    '..%2f..%2f..%2fetc%2fpasswd',
    'x',
    '%00',
    'a'.repeat(1000),
    foreign.toUpperCase(),
    `${foreign}.json`,
  );
  for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
    const bodies = new Set<string>();
    for (const session of sessions) {
      const query = method === 'PUT' ? `?digest=${digestOf(content)}` : '';
      const request = [`${method} ${uploads}${session}${query} HTTP/1.1`, ...lines, 'content-length: 0'];
      const answer = await askRaw(t, server, head(...request));
      assert.deepEqual(refusal(answer), [404, 'BLOB_UPLOAD_UNKNOWN'], `${method} ${session}`);
      bodies.add(answer.body);
    }
    assert.equal(bodies.size, 1, 'nothing tells one from the other');
  }
  assert.equal((await send(server, 'GET', `/v2/library/other/blobs/uploads/${foreign}`)).status, 204);
});

const queries: readonly [query: string, status: number, code?: string][] = [
  [`digest=${digestOf('x')}&digest=${digestOf('x')}`, 400, 'DIGEST_INVALID'],
  [`digest=&digest=${digestOf('x')}`, 400, 'DIGEST_INVALID'],
  ['digest=', 400, 'DIGEST_INVALID'],
  ['digest', 400, 'DIGEST_INVALID'],
  ['digest=%ff', 400, 'DIGEST_INVALID'],
  ['digest=%', 400, 'DIGEST_INVALID'],
  [`digest=${digestOf('x')}%0d%0a`, 400, 'DIGEST_INVALID'],
  [`digest=${digestOf('x')}%00`, 400, 'DIGEST_INVALID'],
  ['digest=sha256:../../etc/passwd', 400, 'DIGEST_INVALID'],
  [`digest[]=${digestOf('x')}`, 400, 'DIGEST_INVALID'],
  [`digest[a]=${digestOf('x')}`, 400, 'DIGEST_INVALID'],
  // Parameters that nobody knows: no digest was given, and an upload is opened.
  [`__proto__=x&constructor=y&toString=z`, 202],
];
for (const [query, status, code] of queries) {
  test(`POST with the query ${query.slice(0, 40)} is answered ${status}`, async (t) => {
    const answer = await askRaw(
      t,
      server,
      head(`POST ${uploads}?${query} HTTP/1.1`, ...lines, 'content-length: 0'),
    );
    assert.equal(answer.status, status, answer.body);
    if (code !== undefined) assert.deepEqual(refusal(answer), [status, code]);
  });
}

test('a closing PUT with no digest, or with one in brackets, is refused', async (t) => {
  const path = await startUpload(server, repository);
  for (const query of ['', '?', `?digest[]=${digestOf('')}`, `?digest[a]=${digestOf('')}`]) {
    const put = head(`PUT ${path}${query} HTTP/1.1`, ...lines, 'content-length: 0');
    assert.deepEqual(refusal(await askRaw(t, server, put)), [400, 'DIGEST_INVALID'], query);
  }
});

test('a mount from what is no repository, or of what is no digest, never leads to a path', async (t) => {
  for (const query of [
    'mount=sha256:x&from=library/hello',
    `mount=${digestOf('here')}&from=../etc`,
    `mount=${digestOf('here')}&from=${'a'.repeat(300)}`,
    `mount=${digestOf('here')}&from=%00`,
    `mount=${digestOf('here')}&mount=${digestOf('here')}&from=library/hello`,
  ]) {
    const request = head(`POST ${uploads}?${query} HTTP/1.1`, ...lines, 'content-length: 0');
    const answer = await askRaw(t, server, request);
    assert.ok([202, 400].includes(answer.status), `${query}: ${answer.status}`);
    const location = answer.headers.location ?? uploads;
    assert.match(location, /^\/v2\/library\/hello\/blobs\/uploads\/[0-9a-f-]*$/);
  }
});

test('a POST without the trailing slash is not sent elsewhere', async (t) => {
  const answer = await askRaw(
    t,
    server,
    head(`POST ${uploads.slice(0, -1)} HTTP/1.1`, ...lines, 'content-length: 0'),
  );
  assert.equal(answer.status, 202);
  assert.ok(answer.headers.location?.startsWith(uploads));
});

for (const type of [
  '',
  'x',
  'a/b/c',
  '/',
  'text/',
  ';',
  'a b/c',
  '\xff',
  'application/json; charset',
  'a/b;'.repeat(1000),
]) {
  test(`a blob is taken under the Content-Type "${type.slice(0, 20)}"`, async (t) => {
    const path = await startUpload(server, repository);
    const patch = [`PATCH ${path} HTTP/1.1`, ...lines, `content-type: ${type}`, 'content-length: 10'];
    const answer = await askRaw(t, server, Buffer.from(head(...patch) + content, 'latin1'));
    assert.equal(answer.status, 202, answer.body);
  });
}

assertUnharmed();
