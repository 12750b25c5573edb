import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { digestOf, pushBlob, pushImage } from './client.ts';
import { askRaw, basic, head, refusal } from './raw.ts';
import { watchOver } from './unharmed.ts';

const server = await startServer({ after });
const content = 'x'.repeat(1000);
await pushBlob(server, 'library/hello', content);
const svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
await pushBlob(server, 'library/hello', svg);
const { manifest } = await pushImage(server, 'library/hello', '1.0');
await pushImage(server, 'library/hello', '2.0', '2');
const assertUnharmed = await watchOver({ after }, server);

const lines = [`host: ${server.registry}`, basic(server)];
const blob = `GET /v2/library/hello/blobs/${digestOf(content)} HTTP/1.1`;

const ranges: readonly [what: string, range: string, status: number][] = [
  ['a reversed range', 'bytes=500-0', 416],
  ['the last no bytes', 'bytes=-0', 416],
  ['a range beyond the end', 'bytes=1000-', 416],
  ['a range beyond any number', 'bytes=99999999999999999999-', 416],
  ['a range without a number', 'bytes=abc', 200],
  ['a range of another unit', 'lines=0-1', 200],
  ['two ranges', 'bytes=0-1,5-6', 200],
  ['the same range 1000 times', `bytes=${Array(1000).fill('0-').join(',')}`, 200],
  [
    '3000 ranges',
    `bytes=${Array.from({ length: 3000 }, (_, n) => n % 10)
      .map((n) => `${n}-`)
      .join(',')}`,
    200,
  ],
  ['an end beyond any number', 'bytes=0-18446744073709551616', 206],
];
for (const [what, range, status] of ranges) {
  test(`${what} of a blob is answered ${status}, and never with more than the blob`, async (t) => {
    const answer = await askRaw(t, server, head(blob, ...lines, `range: ${range}`));
    assert.equal(answer.status, status);
    if (status === 416) {
      assert.deepEqual(refusal(answer), [416, 'RANGE_INVALID']);
      assert.equal(answer.headers['content-range'], 'bytes */1000');
    } else assert.equal(answer.body, content);
  });
}

test('10,000 ranges are too many for the headers of a request', async (t) => {
  const range = `range: bytes=${Array(10_000).fill('0-').join(',')}`;
  assert.deepEqual(refusal(await askRaw(t, server, head(blob, ...lines, range))), [431, 'BAD_REQUEST']);
});

test('a thousand ETags, and an Accept of nonsense, change nothing', async (t) => {
  const tags = Array.from({ length: 1000 }, (_, n) => `"${n}"`).join(', ');
  const accept = Array(400).fill('a/b;q=9e99;q=-1, ;;,').join('');
  assert.ok(accept.length > 7000);
  const get = 'GET /v2/library/hello/manifests/1.0 HTTP/1.1';
  for (const line of [
    `if-none-match: ${tags}`,
    `accept: ${accept}`,
    'accept: *',
    'accept:',
    'if-none-match: ",,,"',
  ]) {
    const answer = await askRaw(t, server, head(get, ...lines, line));
    assert.deepEqual([answer.status, answer.body], [200, manifest], line.slice(0, 40));
  }
});

const places: readonly [what: string, last: string, wanted: readonly string[] | undefined][] = [
  ['10 kB', 'a'.repeat(10_000), undefined],
  ['a NUL', '1%00', undefined],
  ['a percent sign', '%25', ['1.0', '2.0']],
  ['the pattern of all', '%25_', ['1.0', '2.0']],
  ['an apostrophe', "1.0'", ['2.0']],
  ['a statement of SQL', "';drop%20table%20tags;--", ['1.0', '2.0']],
  ['a backslash', '1.0\\', ['2.0']],
  ['no tag that is there', '1.5', ['2.0']],
  ['the last tag', '2.0', []],
];
for (const [what, last, wanted] of places) {
  test(`tags after ${what} are those that sort after it, or it is refused`, async (t) => {
    const answer = await askRaw(
      t,
      server,
      head(`GET /v2/library/hello/tags/list?last=${last} HTTP/1.1`, ...lines),
    );
    if (wanted === undefined) assert.equal(refusal(answer)[0], 400);
    else assert.deepEqual(JSON.parse(answer.body).tags, wanted);
  });
}

for (const n of ['-1', 'abc', '1.5', '', '1&n=2', '99999999999999999999', '1e3', '0x1', '%00', '+1']) {
  test(`a page of n=${n} tags is refused`, async (t) => {
    const answer = await askRaw(t, server, head(`GET /v2/library/hello/tags/list?n=${n} HTTP/1.1`, ...lines));
    assert.deepEqual(refusal(answer), [400, 'PAGINATION_NUMBER_INVALID']);
  });
}

test('a page of a million tags holds those that there are', async (t) => {
  const answer = await askRaw(
    t,
    server,
    head('GET /v2/library/hello/tags/list?n=1000000 HTTP/1.1', ...lines),
  );
  assert.deepEqual(JSON.parse(answer.body).tags, ['1.0', '2.0']);
});

test('a browser makes nothing of a picture with a script that was pushed as a blob', async (t) => {
  const get = `GET /v2/library/hello/blobs/${digestOf(svg)} HTTP/1.1`;
  const { headers, body } = await askRaw(t, server, head(get, ...lines, 'accept: image/svg+xml'));
  assert.equal(body, svg);
  assert.equal(headers['content-type'], 'application/octet-stream');
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['content-security-policy'], "default-src 'none'");
  assert.equal(headers['set-cookie'], undefined);
});

assertUnharmed();
