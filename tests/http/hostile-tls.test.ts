import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';
import { head, openRaw } from './raw.ts';
import { startTlsServer } from './tls-server.ts';

/** A server that speaks TLS alone, with little patience and room for ten connections of an address. */
async function start(t: TestContext) {
  const openssl = requireTool(t, 'openssl');
  if (openssl === undefined) return undefined;
  const { server, to } = await startTlsServer(t, openssl, {
    SHIPLOG_HTTP_HEADERS_TIMEOUT_SECONDS: '1',
    SHIPLOG_HTTP_MAX_CONNECTIONS_PER_ADDRESS: '10',
  });
  const isServed = () =>
    new Promise<boolean>((resolve) => {
      const options = { ...to, ALPNProtocols: ['h2', 'http/1.1'] };
      const socket = connect(options, () => socket.write(head('GET /healthz HTTP/1.1', 'host: localhost')));
      socket.once('data', (data) => {
        resolve(socket.alpnProtocol === 'http/1.1' && String(data).startsWith('HTTP/1.1 200 '));
        socket.destroy();
      });
      socket.once('error', () => resolve(false));
    });
  return { server, isServed };
}

test('what does not shake hands on the port of TLS is closed, soon and without harm, and HTTP/1.1 is all that is spoken', async (t) => {
  const { server, isServed } = (await start(t)) ?? {};
  if (server === undefined || isServed === undefined) return;
  assert.ok(await isServed());
  for (const [what, bytes] of [
    ['HTTP without TLS', head('GET /v2/ HTTP/1.1', 'host: x')],
    ['nothing', ''],
    ['half a greeting', Buffer.from('16030102000100', 'hex')],
    ['a record that is too long', Buffer.from(`160301ffff${'00'.repeat(1000)}`, 'hex')],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a greeting of SSL 2', Buffer.from('802e010002001500000010', 'hex')],
  ] as const) {
    const connection = openRaw(t, server);
    const before = server.lines.length;
    connection.write(bytes);
    await until(`${what} is logged`, () =>
      server.lines.slice(before).some(({ level, msg, ip, fault }) => {
        const isThis = level === 'info' && msg === 'a client failed to set up TLS';
        return isThis && ip === '127.0.0.1' && typeof fault === 'string';
      }),
    );
    await until(`${what} is closed`, () => connection.socket.closed || connection.socket.readableEnded);
  }
  assert.ok(await isServed());
  assert.deepEqual(
    server.lines.filter(({ level }) => level === 'error' || level === 'fatal'),
    [],
  );
});

test('connections that have not shaken hands count against their address', async (t) => {
  const { server, isServed } = (await start(t)) ?? {};
  if (server === undefined || isServed === undefined) return;
  const connections = Array.from({ length: 30 }, () => openRaw(t, server));
  const closed = () => connections.filter(({ socket }) => socket.closed).length;
  await until('those beyond the limit are turned away', () => closed() >= 20);
  await until('those that say nothing are given up', () => closed() === 30);
  assert.ok(await isServed());
});
