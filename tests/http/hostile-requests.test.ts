import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { digestOf, pushImage, send } from './client.ts';
import { askRaw, basic, head, openRaw, refusal } from './raw.ts';
import { watchOver } from './unharmed.ts';

/* Requests that are wrong as HTTP, before anybody looks at what they want. */

const server = await startServer({ after });
const { manifest } = await pushImage(server, 'library/hello', '1.0');
const assertUnharmed = await watchOver({ after }, server);

const host = `host: ${server.registry}`;
const login = basic(server);
const get = 'GET /v2/library/hello/manifests/1.0 HTTP/1.1';
const uploads = '/v2/library/hello/blobs/uploads/';

const malformed: readonly [what: string, request: string | Uint8Array, status?: number][] = [
  ['a byte outside ASCII in its line', head('GET /v2/caf\xe9/tags/list HTTP/1.1', host)],
  ['a UTF-8 letter in its line', Buffer.from(head('GET /v2/café/tags/list HTTP/1.1', host))],
  [
    'a length and chunks',
    head(`POST ${uploads} HTTP/1.1`, host, 'content-length: 5', 'transfer-encoding: chunked'),
  ],
  ['two lengths', head(`POST ${uploads} HTTP/1.1`, host, 'content-length: 5', 'content-length: 6')],
  ['the same length twice', head(`POST ${uploads} HTTP/1.1`, host, 'content-length: 5', 'content-length: 5')],
  ['a negative length', head(`POST ${uploads} HTTP/1.1`, host, 'content-length: -5')],
  ['a length with a sign', head(`POST ${uploads} HTTP/1.1`, host, 'content-length: +5')],
  ['a length in hexadecimal', head(`POST ${uploads} HTTP/1.1`, host, 'content-length: 0x5')],
  ['an endless length', head(`POST ${uploads} HTTP/1.1`, host, `content-length: ${'9'.repeat(30)}`)],
  ['a coding before chunked', head(`POST ${uploads} HTTP/1.1`, host, 'transfer-encoding: identity, chunked')],
  ['chunked twice', head(`POST ${uploads} HTTP/1.1`, host, 'transfer-encoding: chunked, chunked')],
  [
    'chunked in two headers',
    head(`POST ${uploads} HTTP/1.1`, host, 'transfer-encoding: chunked', 'transfer-encoding: chunked'),
  ],
  ['a coding that nobody knows', head(`POST ${uploads} HTTP/1.1`, host, 'transfer-encoding: xchunked')],
  ['chunks in HTTP/1.0', head(`POST ${uploads} HTTP/1.0`, host, 'transfer-encoding: chunked')],
  ['lines that end in LF alone', `${get}\n${host}\n\n`],
  ['a space before a colon', head(get, host, 'accept : */*')],
  ['a folded header', head(get, host, 'accept: a,\r\n b')],
  ['a NUL in a header', head(get, host, 'accept: a\0b')],
  ['a header without a name', head(get, host, ': a')],
  ['no Host', head(get)],
  ['two Hosts', head(get, host, 'host: evil.example.com')],
  ['the same Host twice', head(get, host, host)],
  ['two Authorizations', head(get, host, login, 'authorization: Basic QTpC')],
  ['a fragment in its target', head('GET /v2/library/hello/manifests/1.0#x HTTP/1.1', host)],
  ['a method in lower case', head('get /v2/ HTTP/1.1', host)],
  ['an unknown method', head('BREW /v2/ HTTP/1.1', host)],
  ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a greeting of TLS', Buffer.concat([Buffer.from('1603010200010001fc0303', 'hex'), randomBytes(512)])],
  ['a header block of 20 kB', head(get, host, `x: ${'a'.repeat(20_000)}`), 431],
  ['10,000 headers', head(get, host, ...Array.from({ length: 10_000 }, (_, n) => `x${n}: 1`)), 431],
  ['credentials of 1 MB', head(get, host, `authorization: Basic ${'QUFB'.repeat(250_000)}`), 431],
  ['a target of 20 kB', head(`GET /v2/${'a'.repeat(20_000)}/tags/list HTTP/1.1`, host), 431],
];
for (const [what, request, expected = 400] of malformed) {
  test(`a request with ${what} is answered ${expected}, and its connection is closed`, async (t) => {
    const connection = openRaw(t, server);
    connection.write(request);
    const answer = await connection.answer();
    assert.deepEqual(refusal(answer), [expected, 'BAD_REQUEST']);
    assert.equal(answer.headers.connection, 'close');
    await connection.closed();
  });
}

const methods: readonly [method: string, path: string, allow: string][] = [
  ['POST', '/v2/library/hello/tags/list', 'GET'],
  ['PUT', `/v2/library/hello/blobs/${digestOf('x')}`, 'GET, HEAD'],
  ['POST', '/v2/library/hello/manifests/1.0', 'GET, HEAD, PUT'],
  ['OPTIONS', '/v2/library/hello/manifests/1.0', 'GET, HEAD, PUT'],
  ['PUT', uploads.slice(0, -1), 'POST'],
  ['TRACE', '/v2/', 'GET'],
  ['PROPFIND', '/v2/', 'GET'],
  ['SUBSCRIBE', '/v2/library/hello/tags/list', 'GET'],
  ['DELETE', '/healthz', 'GET'],
];
for (const [method, path, allow] of methods) {
  test(`${method} on ${path} is answered 405 with the methods that there are`, async (t) => {
    const answer = await askRaw(t, server, head(`${method} ${path} HTTP/1.1`, host, login));
    assert.deepEqual(refusal(answer), [405, 'UNSUPPORTED']);
    // More methods may come; those that there are must be named, and the one that was refused not.
    const named = answer.headers.allow?.split(', ') ?? [];
    for (const one of allow.split(', ')) assert.ok(named.includes(one), `${answer.headers.allow}`);
    assert.ok(!named.includes(method));
    assert.doesNotMatch(answer.body, /Basic/, 'a TRACE does not echo the credentials');
  });
}

test('CONNECT is answered 405, and opens no tunnel', async (t) => {
  const connection = openRaw(t, server);
  connection.write(head('CONNECT example.com:443 HTTP/1.1', 'host: example.com:443'));
  assert.deepEqual(refusal(await connection.answer()), [405, 'BAD_REQUEST']);
  await connection.closed();
});

test('a path that nothing serves is answered 404 in the form that clients read', async (t) => {
  for (const path of ['/v2/library/hello', '/v2/library/hello/nothing/1', '/v2/_nothing', '/nothing', '*']) {
    const answer = await askRaw(t, server, head(`OPTIONS ${path} HTTP/1.1`, host));
    assert.deepEqual(refusal(answer), [404, 'UNSUPPORTED'], path);
    const body = ['content-type: x', 'content-length: 1'];
    const put = await askRaw(t, server, `${head(`PUT ${path} HTTP/1.1`, host, ...body)}x`);
    assert.deepEqual(refusal(put), [404, 'UNSUPPORTED'], path);
  }
});

test('of a target that names a host only the path counts', async (t) => {
  for (const origin of [server.url, 'http://evil.example.com', 'HTTPS://evil.example.com:1']) {
    const target = `${origin}/v2/library/hello/manifests/1.0`;
    const answer = await askRaw(t, server, head(`GET ${target} HTTP/1.1`, host, login));
    assert.deepEqual([answer.status, answer.body], [200, manifest], target);
    assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
    const start = head(`POST ${origin}${uploads} HTTP/1.1`, host, login, 'content-length: 0');
    const started = await askRaw(t, server, start);
    assert.equal(started.status, 202);
    assert.ok(started.headers.location?.startsWith(uploads), started.headers.location);
  }
});

test('the Host and what a client says of a proxy reach no link', async (t) => {
  const forwarded = [
    'x-forwarded-host: evil.example.com',
    'x-forwarded-proto: gopher',
    'x-forwarded-for: 1.2.3.4',
  ];
  const lines = [
    `POST ${uploads} HTTP/1.1`,
    'host: evil.example.com',
    ...forwarded,
    login,
    'content-length: 0',
  ];
  const answer = await askRaw(t, server, head(...lines));
  assert.equal(answer.status, 202);
  assert.doesNotMatch(JSON.stringify(answer.headers), /evil|gopher/);
});

test('more bytes than the length says are another request, and a bad one', async (t) => {
  const connection = openRaw(t, server);
  connection.write(
    `${head(`PUT ${uploads}x?digest=${digestOf('x')} HTTP/1.1`, host, 'content-length: 1')}xyzzy\r\n\r\n`,
  );
  assert.equal((await connection.answer()).status, 401);
  assert.deepEqual(refusal(await connection.answer()), [400, 'BAD_REQUEST']);
  await connection.closed();
});

const chunks: readonly [what: string, body: string][] = [
  ['no number as the size of a chunk', 'zz\r\nabc\r\n0\r\n\r\n'],
  ['a negative size of a chunk', '-1\r\n\r\n'],
  ['a chunk of 2^64 bytes and more', `${'f'.repeat(17)}\r\nabc\r\n0\r\n\r\n`],
  ['a chunk longer than its size', '1\r\nabc\r\n0\r\n\r\n'],
  ['extensions of 64 kB on a chunk', `1;${'a'.repeat(65_536)}\r\na\r\n0\r\n\r\n`],
];
for (const [what, body] of chunks) {
  test(`${what} is refused, and its connection is closed`, async (t) => {
    const connection = openRaw(t, server);
    const digest = digestOf('x');
    connection.write(
      `${head(`POST ${uploads}?digest=${digest} HTTP/1.1`, host, login, 'transfer-encoding: chunked')}${body}`,
    );
    const [status] = refusal(await connection.answer());
    assert.ok([400, 413].includes(status), `${status}`);
    await connection.closed();
    assert.equal((await send(server, 'HEAD', `/v2/library/hello/blobs/${digest}`)).status, 404);
  });
}

test('trailers after the last chunk change nothing', async (t) => {
  const path = '/v2/library/hello/manifests/trailers';
  const trailers =
    'authorization: Basic eDp5\r\ncontent-type: text/plain\r\nx-forwarded-for: 1.2.3.4\r\n\r\n';
  const answer = await askRaw(
    t,
    server,
    `${head(`PUT ${path} HTTP/1.1`, host, login, 'transfer-encoding: chunked', 'trailer: authorization')}2\r\n{}\r\n0\r\n${trailers}`,
  );
  assert.deepEqual(refusal(answer), [400, 'MANIFEST_INVALID']);
});

for (const encoding of [
  'gzip',
  'deflate',
  'br',
  'zstd',
  'GZIP',
  'gzip, gzip',
  'identity, gzip',
  'x'.repeat(4000),
]) {
  test(`a body in the encoding ${encoding.slice(0, 20)} is refused and not inflated`, async (t) => {
    const upload = (await send(server, 'POST', uploads)).headers.location as string;
    for (const line of [
      'PUT /v2/library/hello/manifests/encoded',
      `POST ${uploads}?digest=${digestOf('x')}`,
      `PATCH ${upload}`,
      `PUT ${upload}?digest=${digestOf('x')}`,
    ]) {
      const lines = [`${line} HTTP/1.1`, host, login, `content-encoding: ${encoding}`, 'content-length: 1'];
      const answer = await askRaw(t, server, `${head(...lines)}x`);
      assert.deepEqual(refusal(answer), [415, 'UNSUPPORTED'], line);
    }
    assert.equal((await send(server, 'GET', upload)).headers.range, '0-0', 'nothing was taken');
  });
}

const doomed: readonly [what: string, lines: readonly string[], status: number][] = [
  ['without credentials', [`POST ${uploads}?digest=${digestOf('x')} HTTP/1.1`, host], 401],
  ['into a project that is not there', [`POST /v2/nowhere/x/blobs/uploads/ HTTP/1.1`, host, login], 404],
  ['to an upload that is not there', [`PATCH ${uploads}x HTTP/1.1`, host, login], 404],
  ['with a manifest that is too large', ['PUT /v2/library/hello/manifests/1 HTTP/1.1', host, login], 413],
  ['with an encoded body', [`PATCH ${uploads}x HTTP/1.1`, host, login, 'content-encoding: gzip'], 415],
  ['on a path that nothing serves', ['PUT /v2/x HTTP/1.1', host, login], 404],
  ['on a path that cannot be decoded', ['PUT /v2/%zz/manifests/1 HTTP/1.1', host, login], 400],
];
for (const [what, lines, status] of doomed) {
  test(`a client that asks before it sends is refused at once: ${what}`, async (t) => {
    const connection = openRaw(t, server);
    connection.write(head(...lines, 'expect: 100-continue', 'content-length: 10000000000'));
    const answer = await connection.answer();
    assert.equal(answer.status, status, answer.body);
    assert.equal(answer.headers.connection, 'close', 'a body that may follow is no next request');
    await connection.closed();
  });
}

test('a client that asks before it sends is told to go on when its body is wanted', async (t) => {
  const connection = openRaw(t, server);
  const path = '/v2/library/hello/manifests/asked';
  connection.write(head(`PUT ${path} HTTP/1.1`, host, login, 'expect: 100-continue', 'content-length: 2'));
  assert.equal((await connection.answer()).status, 100);
  connection.write('{}');
  assert.deepEqual(refusal(await connection.answer()), [400, 'MANIFEST_INVALID']);
  connection.write(head(get, host, login));
  assert.equal((await connection.answer()).status, 200, 'the connection goes on');
});

test('an expectation that nobody knows is answered 417', async (t) => {
  const answer = await askRaw(t, server, head(get, host, login, 'expect: a-miracle'));
  assert.equal(answer.status, 417);
});

test('every answer has an id, the one of the client where that is harmless', async (t) => {
  const idOf = async (...lines: string[]) =>
    (await askRaw(t, server, head(...lines))).headers['x-request-id'] ?? '';
  const generated = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
  const own = 'job-4711/step:2';
  assert.equal(await idOf(get, host, `x-request-id: ${own}`), own);
  await until('the log has the id', () => server.lines.some(({ reqId }) => reqId === own));
  for (const target of [get, 'GET /nowhere HTTP/1.1', 'GET /v2/%zz/tags/list HTTP/1.1', 'TRACE / HTTP/1.1'])
    assert.match(await idOf(target, host), generated, target);
  for (const id of ['', 'a b', 'a\tb', 'caf\xe9', 'a'.repeat(129)])
    assert.match(await idOf(get, host, `x-request-id: ${id}`), generated, id);
  assert.match(await idOf(get, host, 'x-request-id: a', 'x-request-id: b'), generated);
});

assertUnharmed();
