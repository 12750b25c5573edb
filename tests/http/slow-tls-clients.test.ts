import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';
import { digestOf } from './client.ts';
import { basic, head } from './raw.ts';
import { startTlsServer } from './tls-server.ts';

async function startTls(t: TestContext) {
  const openssl = requireTool(t, 'openssl');
  if (openssl === undefined) return undefined;
  return startTlsServer(t, openssl, {
    SHIPLOG_HTTP_HEADERS_TIMEOUT_SECONDS: '1',
    SHIPLOG_HTTP_SEND_TIMEOUT_SECONDS: '2',
  });
}

test('a TLS handshake that does not go on is ended', async (t) => {
  const run = await startTls(t);
  if (run === undefined) return;
  for (const begin of ['', '\x16\x03\x01']) {
    const socket = connectPlain(run.to);
    t.after(() => socket.destroy());
    socket.on('error', () => undefined).resume();
    await once(socket, 'connect');
    socket.write(begin);
    await once(socket, 'close');
  }
});

test('clients that take nothing of an answer are cut off over TLS as well', async (t) => {
  const run = await startTls(t);
  if (run === undefined) return;
  const { server, to } = run;
  const bytes = Buffer.alloc(64 * 1024 * 1024, 'z');
  const digest = digestOf(bytes);
  const login = basic(server);
  const pushing = connect(to);
  t.after(() => pushing.destroy());
  await once(pushing, 'secureConnect');
  const push = `POST /v2/library/slow/blobs/uploads/?digest=${digest} HTTP/1.1`;
  pushing.write(head(push, 'host: localhost', login, `content-length: ${bytes.length}`));
  pushing.write(bytes);
  const [answer] = await once(pushing, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 201 /);

  const reader = connect(to);
  t.after(() => reader.destroy());
  reader.on('error', () => undefined);
  await once(reader, 'secureConnect');
  reader.pause();
  reader.write(head(`GET /v2/library/slow/blobs/${digest} HTTP/1.1`, 'host: localhost', login));
  await until('it is cut off', () =>
    server.lines.some(({ msg = '' }) => msg.startsWith('a client took nothing')),
  );
});
