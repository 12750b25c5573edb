import assert from 'node:assert/strict';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { digestOf, pushBlob, refusalOf, send, startUpload } from './client.ts';
import { basic, head, openRaw, refusal } from './raw.ts';

const server = await startServer(
  {
    after,
  },
  {
    environment: {
      SHIPLOG_HTTP_HEADERS_TIMEOUT_SECONDS: '1',
      SHIPLOG_HTTP_IDLE_TIMEOUT_SECONDS: '1',
      SHIPLOG_HTTP_BODY_TIMEOUT_SECONDS: '1',
      SHIPLOG_HTTP_SEND_TIMEOUT_SECONDS: '2',
    },
  },
);
const host = `host: ${server.registry}`;
const login = basic(server);

test('a connection that says nothing is closed', async (t) => {
  const connection = openRaw(t, server);
  assert.deepEqual(refusal(await connection.answer()), [408, 'BAD_REQUEST']);
  await connection.closed();
});

test('headers that trickle in are answered 408, and the connection is closed', async (t) => {
  const connection = openRaw(t, server);
  connection.write('GET /v2/ HTTP/1.1\r\n');
  const drip = setInterval(() => connection.write('a: b\r\n'), 100);
  t.after(() => clearInterval(drip));
  assert.deepEqual(refusal(await connection.answer()), [408, 'BAD_REQUEST']);
  await connection.closed();
});

test('a connection that is kept alive for nothing is closed', async (t) => {
  const connection = openRaw(t, server);
  connection.write(head('GET /healthz HTTP/1.1', host));
  assert.equal((await connection.answer()).status, 200);
  await connection.closed();
});

test('a chunk that stops coming is answered 408, and the upload goes on where it ended', async (t) => {
  const content = 'abcdefghij'.repeat(100);
  const path = await startUpload(server, 'library/slow');
  const connection = openRaw(t, server);
  connection.write(
    `${head(`PATCH ${path} HTTP/1.1`, host, login, 'content-length: 1000')}${content.slice(0, 600)}`,
  );
  const answer = await connection.answer();
  assert.equal(answer.status, 408);
  assert.equal(answer.headers.connection, 'close');
  await connection.closed();

  const state = await send(server, 'GET', path);
  assert.deepEqual([state.status, state.headers.range], [204, '0-599']);
  const put = await send(server, 'PUT', `${path}?digest=${digestOf(content)}`, { body: content.slice(600) });
  assert.equal(put.status, 201, put.body.toString());
  const get = await send(server, 'GET', `/v2/library/slow/blobs/${digestOf(content)}`);
  assert.equal(get.body.toString(), content);
});

test('a body of which a byte comes now and then is answered 408', async (t) => {
  const path = await startUpload(server, 'library/slow');
  const connection = openRaw(t, server);
  connection.write(head(`PATCH ${path} HTTP/1.1`, host, login, 'content-length: 100000'));
  const drip = setInterval(() => connection.write('x'), 50);
  t.after(() => clearInterval(drip));
  assert.equal((await connection.answer()).status, 408);
});

test('a body that takes long but keeps the rate is taken', async (t) => {
  const piece = 'y'.repeat(2000);
  const content = piece.repeat(30);
  const connection = openRaw(t, server);
  const path = `/v2/library/slow/blobs/uploads/?digest=${digestOf(content)}`;
  connection.write(head(`POST ${path} HTTP/1.1`, host, login, `content-length: ${content.length}`));
  // Several times as long as the window in which the rate is judged.
  for (let sent = 0; sent < content.length; sent += piece.length) {
    await wait(100);
    connection.write(piece);
  }
  assert.equal((await connection.answer()).status, 201);
});

for (const [what, line] of [
  ['a manifest', 'PUT /v2/library/slow/manifests/1.0'],
  ['a blob in one request', `POST /v2/library/slow/blobs/uploads/?digest=${digestOf('never')}`],
] as const) {
  test(`${what} that stops coming is answered 408, and nothing of it is there`, async (t) => {
    const connection = openRaw(t, server);
    connection.write(`${head(`${line} HTTP/1.1`, host, login, 'content-length: 5')}nev`);
    const answer = await connection.answer();
    assert.equal(answer.status, 408);
    await connection.closed();
    const manifest = await send(server, 'GET', '/v2/library/slow/manifests/1.0');
    assert.deepEqual(refusalOf(manifest), [404, 'MANIFEST_UNKNOWN']);
    const blob = await send(server, 'GET', `/v2/library/slow/blobs/${digestOf('never')}`);
    assert.deepEqual(refusalOf(blob), [404, 'BLOB_UNKNOWN']);
  });
}

const residentMiB = async () => {
  const status = await readFile(`/proc/${server.pid()}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
};
const cutOff = () =>
  server.lines.filter(({ msg = '' }) => /^a client (took nothing|asked too much)/.test(msg)).length;

test('clients that take nothing of a large blob are cut off, and their bytes wait on the disk', async (t) => {
  const { digest } = await pushBlob(server, 'library/slow', Buffer.alloc(64 * 1024 * 1024, 'z'));
  const before = await residentMiB();
  let most = before;
  const readers = 20;
  for (let reader = 0; reader < readers; reader += 1) {
    const { socket } = openRaw(t, server);
    socket.pause();
    socket.write(head(`GET /v2/library/slow/blobs/${digest} HTTP/1.1`, host, login));
  }
  await until(
    'all of them are cut off',
    async () => {
      most = Math.max(most, await residentMiB());
      return cutOff() === readers;
    },
    60_000,
  );
  assert.ok(most - before < 300, `${Math.round(most - before)} MiB for ${readers} readers of 64 MiB each`);
  assert.equal((await server.fetch('/readyz')).status, 200);
});

test('of clients that leave in the middle of a blob, or before its first byte, no file stays open', async (t) => {
  const { digest } = await pushBlob(server, 'library/slow', Buffer.alloc(16 * 1024 * 1024, 'x'));
  const fds = `/proc/${server.pid()}/fd`;
  const openBlobs = async () => {
    const links = await Promise.all(
      (await readdir(fds)).map((fd) => readlink(join(fds, fd)).catch(() => '')),
    );
    return links.filter((link) => link.startsWith(join(server.dataDirectory, 'blobs'))).length;
  };
  for (let round = 0; round < 10; round += 1) {
    const readers = Array.from({ length: 20 }, () => openRaw(t, server).socket.pause());
    for (const reader of readers)
      reader.write(head(`GET /v2/library/slow/blobs/${digest} HTTP/1.1`, host, login));
    // At another point of the answer each time, and the last ones when they have begun to read.
    if (round < 9) await wait(round ** 2);
    else await until('a file is open', async () => (await openBlobs()) > 0);
    for (const reader of readers) reader.resetAndDestroy();
  }
  await until('all files are closed', async () => (await openBlobs()) === 0);
});

test('requests that do not wait for answers are answered one after the other, in their order', async (t) => {
  const connection = openRaw(t, server);
  const paths = Array.from({ length: 50 }, (_, n) => (n % 2 === 0 ? '/healthz' : `/nowhere${n}`));
  connection.write(paths.map((path) => head(`GET ${path} HTTP/1.1`, host, `x-request-id: ${path}`)).join(''));
  for (const path of paths) {
    const answer = await connection.answer();
    assert.equal(answer.headers['x-request-id'], path);
    assert.equal(answer.status, path === '/healthz' ? 200 : 404);
  }
});

for (const times of [90, 5000]) {
  test(`clients that ask ${times} times for a large blob and read nothing cost little more than one answer each`, async (t) => {
    const { digest } = await pushBlob(server, 'library/slow', Buffer.alloc(8 * 1024 * 1024, 'y'));
    const before = await residentMiB();
    const already = cutOff();
    const get = head(`GET /v2/library/slow/blobs/${digest} HTTP/1.1`, host, login);
    const clients = 5;
    for (let client = 0; client < clients; client += 1) {
      const { socket } = openRaw(t, server);
      socket.pause();
      socket.write(get.repeat(times));
    }
    let most = before;
    await until(
      'all of them are cut off',
      async () => {
        most = Math.max(most, await residentMiB());
        return cutOff() === already + clients;
      },
      60_000,
    );
    assert.ok(most - before < 150, `${Math.round(most - before)} MiB for ${clients} answers of 8 MiB`);
    assert.equal((await server.fetch('/readyz')).status, 200);
  });
}

for (const [whose, variable, reason] of [
  ['one address', 'SHIPLOG_HTTP_MAX_CONNECTIONS_PER_ADDRESS', 'max_connections_per_address'],
  ['a listener', 'SHIPLOG_HTTP_MAX_CONNECTIONS', 'max_connections'],
] as const) {
  test(`the connections of ${whose} are bounded, and there are new ones when some have ended`, async (t) => {
    const small = await startServer(t, { environment: { [variable]: '10' } });
    const connections = Array.from({ length: 30 }, () => openRaw(t, small));
    const closed = () => connections.filter(({ socket }) => socket.closed).length;
    await until('the rest is turned away', () => closed() === 20);
    const [first] = connections.filter(({ socket }) => !socket.closed);
    first?.write(head('GET /healthz HTTP/1.1', host));
    assert.equal((await first?.answer())?.status, 200);
    await until('the operator is told', () => small.lines.some((line) => line.reason === reason));

    for (const { socket } of connections) socket.destroy();
    await until('there is room again', () =>
      fetch(`${small.url}/healthz`).then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
  });
}
