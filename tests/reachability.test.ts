import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { tcpReachability } from '../infra/reachability/tcp.ts';

const { reaches } = tcpReachability;

test('an address where somebody listens is reached, by name or number, and is sent nothing', async (t) => {
  let received = 0;
  const listener = createServer((socket) => socket.on('data', ({ length }) => (received += length)));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => listener.close());
  const { port } = listener.address() as { port: number };
  assert.ok(await reaches(`127.0.0.1:${port}`));
  assert.ok(await reaches(`localhost:${port}`));
  assert.equal(received, 0);
});

for (const address of [
  '127.0.0.1:1',
  'no-such-host.invalid:514',
  '169.254.169.254:80',
  '[::ffff:169.254.169.254]:80',
  '[64:ff9b::10.0.0.1]:80',
  '[2002:a00:1::1]:80',
  '[fe80::1]:514',
  '[fd00:ec2::254]:80',
  '0.0.0.0:514',
  '[::]:514',
  '224.0.0.1:514',
  '2852039166:80',
  '127.0.0.1',
  ':514',
  '127.0.0.1:0',
  '127.0.0.1:65536',
  'http://127.0.0.1:80',
  '::1:514',
  '',
])
  test(`${JSON.stringify(address)} is not reached`, async () => assert.equal(await reaches(address), false));

test('an address that is silent is given up after some seconds', async () => {
  const began = performance.now();
  // Of a network that there is only in documentation (RFC 5737).
  assert.equal(await reaches('192.0.2.1:514'), false);
  assert.ok(performance.now() - began < 5000);
});
