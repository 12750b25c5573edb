import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { startServer } from '../server.ts';
import { makeImage, pushImage, seeded } from './oci-client.ts';

const busy = 1000;
const silent = 100;

test('a thousand connections at once are all answered, twice, beside a hundred that say nothing', async (t) => {
  const server = await startServer(t);
  const image = makeImage(seeded(3));
  await pushImage(server, 'library/busy', '1.0', image);
  const port = Number(new URL(server.url).port);
  const credentials = Buffer.from(`admin:${server.password}`).toString('base64');
  const request = (line: string) =>
    `GET /v2/library/busy/manifests/1.0 HTTP/1.1\r\nhost: ${server.registry}\r\n${line}\r\n`;
  const withPassword = request(`authorization: Basic ${credentials}\r\n`);
  const anonymous = request('');

  const quiet = Array.from({ length: silent }, () => open(port));
  const connections = Array.from({ length: busy }, () => open(port));
  t.after(() => {
    for (const { socket } of [...quiet, ...connections]) socket.destroy();
  });
  await Promise.all([...quiet, ...connections].map(({ connected }) => connected));

  for (const round of ['first', 'second']) {
    const bodies = await Promise.all(
      connections.map(({ ask }, index) => ask(index % 2 === 0 ? withPassword : anonymous)),
    );
    const wrong = bodies.filter(({ status, body }) => status !== 200 || body !== image.manifest);
    assert.deepEqual(wrong, [], `the ${round} requests`);
  }
  for (const { failure } of [...quiet, ...connections]) assert.equal(failure(), undefined);
  assert.equal((await server.fetch('/healthz')).status, 200);
});

/** One connection, kept alive. */
function open(port: number) {
  const socket: Socket = connect(port, '127.0.0.1').setEncoding('latin1');
  let failed: Error | undefined;
  let received = '';
  let arrived: () => void = () => undefined;
  socket.on('data', (text: string) => {
    received += text;
    arrived();
  });
  socket.on('error', (error) => {
    failed = error;
    arrived();
  });
  socket.on('close', () => arrived());

  async function ask(request: string): Promise<{ status: number; body: string }> {
    received = '';
    socket.write(request);
    for (;;) {
      const end = received.indexOf('\r\n\r\n');
      const length = Number(/^content-length: (\d+)\r$/im.exec(received)?.[1] ?? Number.NaN);
      if (end !== -1 && received.length >= end + 4 + length) {
        return { status: Number(received.slice(9, 12)), body: received.slice(end + 4) };
      }
      if (failed !== undefined || socket.destroyed) throw failed ?? new Error(`closed after: ${received}`);
      await new Promise<void>((resolve) => {
        arrived = resolve;
      });
    }
  }
  return { socket, connected: once(socket, 'connect'), ask, failure: () => failed };
}
