import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { makeCertificate } from '../certificate.ts';
import { startServer } from '../server.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';
import { digestOf } from './client.ts';
import { basic, head } from './raw.ts';

async function startTls(t: TestContext) {
  const openssl = requireTool(t, 'openssl');
  if (openssl === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'shiplog-slow-tls-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { certificate, privateKey } = makeCertificate(openssl, folder, 'used');
  const server = await startServer(t, {
    environment: {
      SHIPLOG_HTTPS_PORT: '0',
      SHIPLOG_HTTPS_CERTIFICATE: certificate,
      SHIPLOG_HTTPS_PRIVATE_KEY: privateKey,
      SHIPLOG_HTTP_HEADERS_TIMEOUT_SECONDS: '1',
      SHIPLOG_HTTP_SEND_TIMEOUT_SECONDS: '2',
    },
  });
  const to = { port: Number(new URL(server.url).port), host: '127.0.0.1', rejectUnauthorized: false };
  return { server, to };
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
