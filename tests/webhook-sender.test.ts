import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { webhookSender } from '../bin/webhook-sender.ts';
import { httpSender } from '../infra/webhook-sender/http.ts';
import type { WebhookRequest } from '../infra/webhook-sender/port.ts';
import { makeCertificate } from './certificate.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { requireTool } from './tool.ts';

const local = { allowed: ['127.0.0.1'], denied: [] };
const sender = httpSender(local);

const patientMs = 20_000;
const hastyMs = 300;
const to = (address: string, more: Partial<WebhookRequest> = {}) =>
  sender.send({
    ...{ address, headers: { 'content-type': 'application/json' }, body: '{"a":1}' },
    ...{ skipCertVerify: false, timeoutMs: patientMs },
    ...more,
  });

/** A receiver that speaks HTTP. Resolves to its address. */
async function receiver(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createHttpServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
}

/** A receiver that answers a request by whatever it likes. Resolves to its address. */
async function hostile(t: TestContext, answer: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const answered = async (sent: ReturnType<typeof to>) => {
  const outcome = await sent;
  if (outcome.kind !== 'answered') return assert.fail(`${outcome.reason}: ${outcome.message}`);
  return outcome;
};
const reasonOf = async (sent: ReturnType<typeof to>) => {
  const outcome = await sent;
  return outcome.kind === 'failed' ? outcome.reason : outcome.status;
};

test('a request is sent once, with its headers and body, and what is answered is told', async (t) => {
  const got: unknown[] = [];
  const address = await receiver(t, async (request, response) => {
    const body = (await request.toArray()).join('');
    got.push([request.method, request.url, request.headers.host, request.headers['x-a'], body]);
    response.writeHead(202, { 'x-b': 'c', 'set-cookie': ['d=e', 'f=g'] }).end('thanks');
  });
  const headers = { 'content-type': 'application/json', 'x-a': 'b' };
  const outcome = await answered(to(`${address}?q=1#part`, { headers, body: '{"ä":1}' }));
  assert.deepEqual(got, [['POST', '/hook?q=1', new URL(address).host, 'b', '{"ä":1}']]);
  assert.equal(outcome.status, 202);
  assert.equal(outcome.headers['x-b'], 'c');
  assert.equal(outcome.headers['set-cookie'], 'd=e, f=g');
  assert.equal(Buffer.from(outcome.body).toString(), 'thanks');
  assert.ok(outcome.isWhole);
  assert.equal(outcome.address, '127.0.0.1');
  const { dnsMs, connectMs, tlsMs, firstByteMs, totalMs } = outcome.timings;
  assert.equal(tlsMs, null);
  for (const part of [dnsMs, connectMs, firstByteMs]) assert.ok(part !== null && part <= totalMs);
});

test('a redirection is an answer, and is followed to nowhere', async (t) => {
  const asked: unknown[] = [];
  const address = await receiver(t, (request, response) => {
    asked.push(request.url);
    response.writeHead(301, { location: 'http://169.254.169.254/latest/meta-data/' }).end();
  });
  const outcome = await answered(to(address));
  assert.equal(outcome.status, 301);
  assert.equal(outcome.headers.location, 'http://169.254.169.254/latest/meta-data/');
  assert.deepEqual(asked, ['/hook']);
});

test('of an answer of any length the first part is read, and the connection ended', async (t) => {
  let sent = 0;
  const closed = Promise.withResolvers<void>();
  const address = await receiver(t, (_, response) => {
    response.on('close', closed.resolve);
    const part = Buffer.alloc(64 * 1024, 'x');
    const write = () => {
      while (sent < 100 * 1024 * 1024 && !response.destroyed) {
        sent += part.length;
        if (!response.write(part)) return response.once('drain', write);
      }
      return response.end();
    };
    write();
  });
  const outcome = await answered(to(address));
  assert.equal(outcome.body.length, 64 * 1024);
  assert.ok(!outcome.isWhole);
  await closed.promise;
  assert.ok(sent < 100 * 1024 * 1024);
});

test('a status that has come counts, whatever becomes of the body', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc';
  const silent = await hostile(t, (socket) => socket.write(head));
  const cut = await hostile(t, (socket) => socket.end(head));
  const garbled = await hostile(t, (socket) =>
    socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nno length\r\n'),
  );
  for (const [address, timeoutMs] of [
    [silent, 1000],
    [cut, patientMs],
    [garbled, patientMs],
  ] as const) {
    const outcome = await answered(to(address, { timeoutMs }));
    assert.equal(outcome.status, 200);
    assert.equal(Buffer.from(outcome.body).toString(), 'abc');
    assert.ok(!outcome.isWhole);
  }
});

test('who says nothing, or says it without an end, is given up in time', async (t) => {
  const slow = await hostile(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    const drip = setInterval(() => socket.write('a: b\r\n'), 20);
    socket.on('close', () => clearInterval(drip));
  });
  const silent = await hostile(t, () => undefined);
  for (const address of [slow, silent])
    assert.equal(await reasonOf(to(address, { timeoutMs: hastyMs })), 'timeout');
  const interim = await hostile(t, (socket) => {
    for (let times = 0; times < 100; times += 1) socket.write('HTTP/1.1 102 Processing\r\n\r\n');
  });
  assert.equal(await reasonOf(to(interim)), 'malformed-answer');
});

for (const [name, answer, reason] of [
  ['garbage', 'SSH-2.0-OpenSSH_9.9\r\n', 'malformed-answer'],
  ['a header that is too large', `HTTP/1.1 200 OK\r\na: ${'b'.repeat(20_000)}\r\n\r\n`, 'too-large-header'],
  ['headers without an end', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`, 'too-large-header'],
  [
    'both a length and an encoding',
    'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    'malformed-answer',
  ],
  [
    'another protocol',
    'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
    'reset',
  ],
  ['nothing', '', 'reset'],
] as const)
  test(`${name} is no answer`, async (t) => {
    const address = await hostile(t, (socket) => socket.end(answer));
    assert.equal(await reasonOf(to(address)), reason);
  });

test('a connection that is reset, or refused, is told as that', async (t) => {
  assert.equal(await reasonOf(to(await hostile(t, (socket) => socket.resetAndDestroy()))), 'reset');
  assert.equal(await reasonOf(to('http://127.0.0.1:1')), 'connect');
});

test('who sends can give up, and hears why', async (t) => {
  const giveUp = new AbortController();
  const address = await hostile(t, () => giveUp.abort(new Error('enough')));
  await assert.rejects(to(address, { signal: giveUp.signal }), /enough/);
  await assert.rejects(to(address, { signal: giveUp.signal }), /enough/);
});

test('a certificate is checked, by name and by address, unless any will do', async (t) => {
  const openssl = requireTool(t, 'openssl');
  if (openssl === undefined) return;
  const { certificate, privateKey } = makeCertificate(openssl, await temporaryDirectory(), 'receiver');
  const server = createHttpsServer(
    { cert: readFileSync(certificate), key: readFileSync(privateKey) },
    (_, response) => response.end('thanks'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  for (const host of ['127.0.0.1', 'localhost', 'localhost.']) {
    const address = `https://${host}:${port}`;
    assert.equal(await reasonOf(to(address)), 'tls');
    const outcome = await answered(to(address, { skipCertVerify: true }));
    assert.equal(outcome.status, 200);
    assert.notEqual(outcome.timings.tlsMs, null);
  }
  assert.equal(
    await reasonOf(
      to(await hostile(t, (socket) => socket.end('x')).then((at) => at.replace('http', 'https'))),
    ),
    'tls',
  );
});

for (const address of [
  'http://127.0.0.1:80',
  'http://localhost:80',
  'http://[::1]:80',
  'http://0.0.0.0',
  'http://[::]',
  'http://2130706433',
  'http://0x7f.1',
  'http://0177.0.0.1',
  'http://127.1',
  'http://169.254.169.254/latest/meta-data/',
  'http://[::ffff:169.254.169.254]',
  'http://[::ffff:a9fe:a9fe]',
  'http://[64:ff9b::169.254.169.254]',
  'http://[2002:a9fe:a9fe::1]',
  'http://[::127.0.0.1]',
  'http://[64:ff9b:1::7f00:1]',
  'http://[::ffff:0:127.0.0.1]',
  'http://[2001:0:7f00:1::80ff:fffe]',
  'http://[fec0::1]',
  'http://[fe80::1]',
  'http://[fd00:ec2::254]',
  'http://168.63.129.16',
  'http://100.100.100.200',
  'http://224.0.0.1',
  'http://255.255.255.255',
  'http://10.1.2.3',
  'ftp://example.com',
  'http://user@example.com',
])
  test(`${address} is refused before anything is sent`, async () => {
    const strict = httpSender({ allowed: [], denied: ['10.0.0.0/8'] });
    assert.ok(strict.refuses(address));
    const outcome = await strict.send({
      ...{ address, headers: {}, body: '', skipCertVerify: false, timeoutMs: patientMs },
    });
    assert.ok(outcome.kind === 'failed' && outcome.reason === 'refused-address');
  });

test('what is private, public or listed as allowed is not refused', () => {
  const { refuses } = httpSender({ allowed: ['127.0.0.1', '10.1.0.0/16'], denied: ['10.0.0.0/8'] });
  for (const host of [
    '192.168.1.1',
    '172.16.0.1',
    '[fd12::1]',
    '8.8.8.8',
    '[2606:4700::1]',
    '127.0.0.1',
    '10.1.2.3',
  ])
    assert.ok(!refuses(`http://${host}/`), host);
  for (const host of ['127.0.0.2', '10.2.0.1']) assert.ok(refuses(`http://${host}/`), host);
  assert.ok(!refuses('https://ci.internal/hook'));
});

test('with Harbor’s switch for private networks off, those are refused that are not listed as allowed', () => {
  const { refuses } = webhookSender({
    webhooks: { allowed_addresses: ['192.168.7.0/24'], denied_addresses: [] },
    network: { allow_private_network_access: false },
  });
  for (const host of [
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '[fd12::1]',
    '[::ffff:10.1.2.3]',
  ])
    assert.ok(refuses(`http://${host}/`), host);
  for (const host of ['192.168.7.1', '8.8.8.8', '172.32.0.1']) assert.ok(!refuses(`http://${host}/`), host);
});

test('a name is judged by what it stands for when it is asked, and that alone is connected to', async (t) => {
  const address = (await receiver(t, (_, response) => response.end())).replace('127.0.0.1', 'hook.example');
  const request = { address, headers: {}, body: '', skipCertVerify: false, timeoutMs: patientMs };
  let times = 0;
  const rebinding = httpSender(local, async () => {
    times += 1;
    return times === 1 ? ['127.0.0.1'] : ['169.254.169.254'];
  });
  assert.equal(await reasonOf(rebinding.send(request)), 200);
  assert.equal(times, 1);
  assert.equal(await reasonOf(rebinding.send(request)), 'refused-address');
  const both = httpSender(local, async () => ['169.254.169.254', '127.0.0.1']);
  assert.equal((await answered(both.send(request))).address, '127.0.0.1');
  const strict = httpSender({ allowed: [], denied: [] }, async () => ['127.0.0.1']);
  assert.equal(await reasonOf(strict.send(request)), 'refused-address');
});

test('a name that nobody knows, or nobody says anything of, is told as that', async () => {
  const request = { address: 'http://hook.example', headers: {}, body: '', skipCertVerify: false };
  const unknown = httpSender(local, () =>
    Promise.reject(Object.assign(new Error('x'), { code: 'ENOTFOUND' })),
  );
  assert.equal(await reasonOf(unknown.send({ ...request, timeoutMs: patientMs })), 'dns');
  const empty = httpSender(local, async () => []);
  assert.equal(await reasonOf(empty.send({ ...request, timeoutMs: patientMs })), 'dns');
  const silent = httpSender(local, () => new Promise(() => undefined));
  assert.equal(await reasonOf(silent.send({ ...request, timeoutMs: hastyMs })), 'timeout');
});

test('however often a name is asked for whose lookup hangs, it is looked up once at a time', async () => {
  let lookups = 0;
  const hanging = httpSender(local, (name) => {
    lookups += 1;
    return name === 'silent.example' ? new Promise(() => undefined) : Promise.resolve([]);
  });
  const ask = (host: string) =>
    hanging.send({
      ...{ address: `http://${host}/`, headers: {}, body: '', skipCertVerify: false, timeoutMs: hastyMs },
    });
  await Promise.all([ask('silent.example'), ask('silent.example')]);
  await ask('silent.example');
  assert.equal(lookups, 1);
  for (const _ of [1, 2]) await ask('empty.example');
  assert.equal(lookups, 3);
});

test('of a host of several addresses the next is asked where one is not there', async (t) => {
  const at = await receiver(t, (_, response) => response.end());
  const several = httpSender({ allowed: ['127.0.0.0/8'], denied: [] }, async () => [
    '127.0.0.9',
    '127.0.0.1',
  ]);
  const request = { address: at.replace('127.0.0.1', 'hook.example'), headers: {}, body: '' };
  const outcome = await answered(several.send({ ...request, skipCertVerify: false, timeoutMs: patientMs }));
  assert.equal(outcome.address, '127.0.0.1');
});

test('no proxy of the environment is asked', async (t) => {
  const address = await receiver(t, (_, response) => response.end());
  process.env.http_proxy = 'http://127.0.0.1:1';
  t.after(() => delete process.env.http_proxy);
  assert.equal(await reasonOf(to(address)), 200);
});
