import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { environmentFor, runShiplog, startServer } from '../server.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';
import { digestOf, pushImage, send, startUpload } from './client.ts';
import { startTlsServer } from './tls-server.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shiplog-start-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** What a server that could not start has told the operator: one fatal line, without a stack. */
async function fatalOf(environment: NodeJS.ProcessEnv): Promise<string> {
  const { code, output } = await runShiplog(['serve'], environment);
  assert.equal(code, 1, output);
  const lines = output.split('\n').filter((line) => line !== '');
  const fatal = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 'fatal');
  assert.equal(fatal.length, 1, output);
  assert.equal(lines.at(-1)?.includes('"fatal"'), true, 'it is the last line');
  assert.equal(fatal[0].err, undefined, 'an operator needs no stack');
  return fatal[0].msg;
}

test('a running push is finished after SIGTERM, while nobody new is let in', async (t) => {
  const server = await startServer(t);
  const bytes = randomBytes(3_000_000);
  const location = await startUpload(server, 'library/stopping');
  const { hostname, port } = new URL(server.url);
  const authorization = `Basic ${Buffer.from(`admin:${server.password}`).toString('base64')}`;
  const outgoing = request({
    hostname,
    port,
    method: 'PUT',
    path: `${location}?digest=${digestOf(bytes)}`,
    headers: { authorization, 'content-length': bytes.length },
  });
  const answered = once(outgoing, 'response');
  outgoing.write(bytes.subarray(0, 2_000_000));
  await until('the push is under way', async () => {
    const { headers } = await send(server, 'GET', location);
    return headers.range !== '0-0';
  });

  const stopped = server.stop('SIGTERM');
  await until('nobody new is let in', () =>
    fetch(`${server.url}/healthz`).then(
      () => false,
      () => true,
    ),
  );
  outgoing.end(bytes.subarray(2_000_000));
  const [response] = await answered;
  response.resume();
  assert.equal(response.statusCode, 201);
  assert.equal(await stopped, 0);
  assert.equal(server.lines.at(-1)?.msg, 'stopped');

  await server.start();
  const { body } = await send(server, 'GET', `/v2/library/stopping/blobs/${digestOf(bytes)}`);
  assert.ok(body.equals(bytes));
});

test('an idle server ends with exit code 0 on SIGTERM, on SIGINT and when its terminal is closed', async (t) => {
  const server = await startServer(t);
  // A kept-alive connection without a request must not hold it up.
  await fetch(`${server.url}/healthz`);
  assert.equal(await server.stop('SIGTERM'), 0);
  await server.start();
  assert.equal(await server.stop('SIGINT'), 0);
  await server.start();
  assert.equal(await server.stop('SIGHUP'), 0);
});

test('a port that is taken is said in one line, and the exit code is 1', async (t) => {
  const rival = createServer().listen(0, '127.0.0.1');
  t.after(async () => void rival.close());
  await once(rival, 'listening');
  const { port } = rival.address() as AddressInfo;
  const environment = { ...environmentFor(await folder(t)), SHIPLOG_HTTP_PORT: String(port) };
  assert.match(await fatalOf(environment), new RegExp(`another program listens on 127\\.0\\.0\\.1:${port}`));
});

test('a data directory that cannot be written is said in one line, and the exit code is 1', async (t) => {
  const file = join(await folder(t), 'file');
  await writeFile(file, 'not a directory');
  for (const path of [file, join(file, 'data')]) {
    assert.match(
      await fatalOf(environmentFor(path)),
      new RegExp(`the data directory ${path} cannot be used`),
    );
  }
});

test('a data directory that another server holds is said in one line, and that server goes on', async (t) => {
  const server = await startServer(t);
  const message = await fatalOf(environmentFor(server.dataDirectory));
  assert.match(message, new RegExp(`is in use by process ${server.pid()} `));
  await pushImage(server, 'library/goes-on', '1.0');
});

test('a configuration with faults lists every one of them, and the exit code is 1', async (t) => {
  const environment = {
    ...environmentFor(await folder(t)),
    SHIPLOG_HTTP_PORT: 'abc',
    SHIPLOG_LOG_LEVEL: 'loud',
  };
  const { code, output } = await runShiplog(['serve'], environment);
  assert.equal(code, 1);
  assert.match(output, /http\.port \(SHIPLOG_HTTP_PORT\)/);
  assert.match(output, /log\.level \(SHIPLOG_LOG_LEVEL\)/);
});

test('a certificate that is not there is said in one line, and the exit code is 1', async (t) => {
  const path = await folder(t);
  const environment = {
    ...environmentFor(path),
    SHIPLOG_HTTPS_PORT: '0',
    SHIPLOG_HTTPS_CERTIFICATE: join(path, 'missing.pem'),
    SHIPLOG_HTTPS_PRIVATE_KEY: join(path, 'missing.key'),
  };
  assert.match(await fatalOf(environment), /missing\.pem does not exist/);
});

test('the registry speaks HTTPS with the certificate that is configured', async (t) => {
  const openssl = requireTool(t, 'openssl');
  if (openssl === undefined) return;
  const { server, used } = await startTlsServer(t, openssl);
  const ready = server.lines.find(({ msg }) => msg?.startsWith('ready at '))?.msg ?? '';
  const url = new URL(ready.slice('ready at '.length));
  assert.equal(url.protocol, 'https:');

  const ca = await readFile(used.certificate);
  async function ask(options: { maxVersion?: 'TLSv1.1'; ca?: Buffer }): Promise<number | undefined> {
    const outgoing = requestTls({
      hostname: '127.0.0.1',
      port: url.port,
      path: '/v2/',
      auth: `admin:${server.password}`,
      agent: false,
      ...options,
    });
    outgoing.end();
    const [response] = await once(outgoing, 'response');
    response.resume();
    return response.statusCode;
  }
  assert.equal(await ask({ ca }), 200);
  await assert.rejects(ask({}), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  await assert.rejects(ask({ ca, maxVersion: 'TLSv1.1' }));
});
