import assert from 'node:assert/strict';
import { METHODS } from 'node:http';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { digestOf, pushImage, send } from './client.ts';
import { askRaw, basic, head, openRaw, refusal } from './raw.ts';
import { challengeOf } from './token-client.ts';
import { watchOver } from './unharmed.ts';

/* Where one request ends and the next begins, of which a proxy may think otherwise; and what is no request at all. */

const server = await startServer({ after });
const { manifest } = await pushImage(server, 'library/hello', '1.0');
const assertUnharmed = await watchOver({ after }, server);

const host = `host: ${server.registry}`;
const login = basic(server);
const target = '/v2/library/hello/manifests/1.0';
const get = head(`GET ${target} HTTP/1.1`, host, login);
const uploads = '/v2/library/hello/blobs/uploads/';
const content = 'never stored';
const push = `POST ${uploads}?digest=${digestOf(content)}`;
const size = content.length.toString(16);
const chunked = 'transfer-encoding: chunked';
const inOneChunk = `${size}\r\n${content}\r\n0\r\n\r\n`;

const doubtful: readonly [what: string, request: string][] = [
  ['no version of HTTP', `GET ${target}\r\n\r\n`],
  ['HTTP/0.9 and chunks', head(`${push} HTTP/0.9`, host, login, chunked) + inOneChunk],
  ['HTTP/2.0 and chunks', head(`${push} HTTP/2.0`, host, login, chunked) + inOneChunk],
  ['HTTP/1.2', head(`GET ${target} HTTP/1.2`, host, login)],
  [
    'a space before the colon of its coding',
    head(`${push} HTTP/1.1`, host, login, 'transfer-encoding : chunked'),
  ],
  ['a vertical tab before its coding', head(`${push} HTTP/1.1`, host, login, 'transfer-encoding: \vchunked')],
  ['a comma after its coding', head(`${push} HTTP/1.1`, host, login, `${chunked},`)],
  ['its coding on a folded line', head(`${push} HTTP/1.1`, host, login, 'transfer-encoding:\r\n chunked')],
  ['no number as its length', head(`${push} HTTP/1.1`, host, login, 'content-length:')],
  ['a list as its length', head(`${push} HTTP/1.1`, host, login, 'content-length: 12, 12')],
  ['a carriage return alone in a header', head(`GET ${target} HTTP/1.1`, host, login, 'accept: a\rb')],
  ['lines that end in a carriage return alone', `GET ${target} HTTP/1.1\r${host}\r\r`],
  ['a space before its first header', head(`GET ${target} HTTP/1.1`, ` ${host}`, login)],
  ['a host and a port as its target', head('GET evil.example.com:80 HTTP/1.1', host, login)],
];
for (const [what, request] of doubtful) {
  test(`a request with ${what} is answered 400, and its connection is closed`, async (t) => {
    const connection = openRaw(t, server);
    connection.write(request);
    assert.deepEqual(refusal(await connection.answer()), [400, 'BAD_REQUEST']);
    await connection.closed();
  });
}

const chunks: readonly [what: string, body: string][] = [
  ['lines that end in LF alone', inOneChunk.replaceAll('\r\n', '\n')],
  ['a size that ends in LF alone', inOneChunk.replace('\r\n', '\n')],
  ['an extension that ends in LF alone', inOneChunk.replace('\r\n', ';a\n')],
  ['a size with 0x', `0x${inOneChunk}`],
  ['a size with a sign', `+${inOneChunk}`],
  ['a size with a space after it', inOneChunk.replace('\r\n', ' \r\n')],
];
for (const [what, body] of chunks) {
  test(`chunks with ${what} are answered 400, and their connection is closed`, async (t) => {
    const connection = openRaw(t, server);
    connection.write(head(`${push} HTTP/1.1`, host, login, chunked) + body);
    assert.deepEqual(refusal(await connection.answer()), [400, 'BAD_REQUEST']);
    await connection.closed();
    assert.equal((await send(server, 'HEAD', `/v2/library/hello/blobs/${digestOf(content)}`)).status, 404);
  });
}

test('trailers are bounded as headers are', async (t) => {
  const trailers = 'x: y\r\n'.repeat(20_000);
  const request = `${head(`${push} HTTP/1.1`, host, login, chunked)}${size}\r\n${content}\r\n0\r\n${trailers}\r\n`;
  assert.deepEqual(refusal(await askRaw(t, server, request)), [431, 'BAD_REQUEST']);
});

test('more bytes than the length of a manifest are another request, and a bad one', async (t) => {
  const connection = openRaw(t, server);
  const lines = [`PUT /v2/library/hello/manifests/short HTTP/1.1`, host, login, 'content-length: 2'];
  connection.write(`${head(...lines)}{}yzzy\r\n\r\n`);
  assert.deepEqual(refusal(await connection.answer()), [400, 'MANIFEST_INVALID']);
  assert.deepEqual(refusal(await connection.answer()), [400, 'BAD_REQUEST']);
  await connection.closed();
});

for (const [how, framing, body] of [
  ['by its length', `content-length: ${get.length}`, get],
  ['in chunks', chunked, `${get.length.toString(16)}\r\n${get}\r\n0\r\n\r\n`],
] as const) {
  test(`what looks like a request in the body of a GET, sent ${how}, is none`, async (t) => {
    const connection = openRaw(t, server);
    connection.write(head('GET /v2/ HTTP/1.1', host, login, framing) + body + get);
    assert.deepEqual([(await connection.answer()).body, (await connection.answer()).body], ['{}', manifest]);
    connection.write(head('GET /healthz HTTP/1.1', host, 'connection: close'));
    await connection.answer();
    await connection.closed();
  });
}

test('nobody leaves HTTP/1.1 by an upgrade', async (t) => {
  for (const upgrade of ['h2c', 'websocket', 'TLS/1.2']) {
    const connection = openRaw(t, server);
    const lines = [
      'connection: Upgrade, HTTP2-Settings',
      `upgrade: ${upgrade}`,
      'http2-settings: AAMAAABkAAQ',
    ];
    connection.write(head(`GET ${target} HTTP/1.1`, host, login, ...lines));
    assert.deepEqual([(await connection.answer()).status, connection.socket.closed], [200, false]);
    connection.write(get);
    assert.equal((await connection.answer()).body, manifest);
  }
});

const served = ['GET', 'HEAD', 'CONNECT'];
for (const method of METHODS.filter((name) => !served.includes(name))) {
  test(`${method} is not allowed where a registry is asked whether it is one`, async (t) => {
    for (const lines of [[], ['content-type: x', 'content-length: 0']]) {
      const answer = await askRaw(t, server, head(`${method} /v2/ HTTP/1.1`, host, login, ...lines));
      assert.deepEqual(refusal(answer), [405, 'UNSUPPORTED']);
      assert.equal(answer.headers.allow, 'GET, HEAD');
      assert.doesNotMatch(answer.body, /Basic/, 'the credentials are not echoed');
    }
  });
}

test('what a client says of a proxy does not reach the address at which it is to log in', async () => {
  const forwarded = {
    'x-forwarded-host': 'evil.example.com',
    'x-forwarded-proto': 'https',
    forwarded: 'host=evil.example.com;proto=https',
    'x-original-host': 'evil.example.com',
  };
  const answer = await send(server, 'GET', '/v2/', { as: '', headers: forwarded });
  assert.equal(challengeOf(answer).realm, `${server.url}/service/token`);
});

test('each refused request is one line of the log, whatever was wrong with it', async (t) => {
  await send(server, 'GET', '/v2/', { headers: { 'x-request-id': 'the-last-before' } });
  await until('all before it is logged', () => server.lines.some(({ reqId }) => reqId === 'the-last-before'));
  for (const [what, request] of [
    ['a path that cannot be decoded', head('GET /v2/library/%zz/tags/list HTTP/1.1', host, login)],
    ['one of the API', head('GET /api/v2.0/%zz HTTP/1.1', host, login)],
    ['a tunnel', head('CONNECT evil.example.com:443 HTTP/1.1', host)],
    ['no HTTP', 'nonsense\r\n\r\n'],
    ['a version that nobody speaks', head('GET /v2/ HTTP/2.0', host)],
    ['an unknown method', head('QUERY /v2/ HTTP/1.1', host)],
  ] as const) {
    const before = server.lines.length;
    const { status } = await askRaw(t, server, request);
    await until(`there is a line of ${what}`, () => server.lines.length > before);
    const lines = server.lines.slice(before).map((line) => [line.level, line.status]);
    assert.deepEqual(lines, [['info', status]], what);
  }
});

assertUnharmed();
