import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { type ClientRequest, request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { startServer, type TestServer } from '../server.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';
import { digestOf, header, refusalOf, send, startUpload } from './client.ts';

const repository = 'library/resume';

/** A request whose body the test sends bit by bit, and can break off. */
async function startBody(
  server: TestServer,
  method: string,
  path: string,
  headers: Record<string, string>,
): Promise<ClientRequest> {
  const { hostname, port } = new URL(server.url);
  const authorization = `Basic ${Buffer.from(`admin:${server.password}`).toString('base64')}`;
  const outgoing = request({ hostname, port, method, path, headers: { authorization, ...headers } });
  outgoing.on('error', () => undefined);
  outgoing.flushHeaders();
  await once(outgoing, 'socket');
  return outgoing;
}

/** How many bytes the upload holds, once the request that wrote to it has ended. */
async function heldBytes(server: TestServer, location: string): Promise<number> {
  const answer = await send(server, 'GET', location);
  assert.equal(answer.status, 204);
  const end = Number(/^0-(\d+)$/.exec(header(answer, 'range'))?.[1]);
  return end === 0 ? 0 : end + 1;
}

/** Goes on where the server says that the upload ends, and checks that all bytes are there in the end. */
async function finish(server: TestServer, location: string, bytes: Buffer): Promise<void> {
  // What a broken request had brought may still be on its way to the disk; then 416 tells where it ends now.
  await until('the rest is taken', async () => {
    const held = await heldBytes(server, location);
    const answer = await send(server, 'PATCH', location, {
      headers: { 'content-range': `${held}-${bytes.length - 1}` },
      body: bytes.subarray(held),
    });
    if (answer.status !== 416) assert.equal(answer.status, 202, answer.body.toString());
    return answer.status === 202;
  });
  const finished = await send(server, 'PUT', `${location}?digest=${digestOf(bytes)}`);
  assert.equal(finished.status, 201, finished.body.toString());
  const { body } = await send(server, 'GET', header(finished, 'location'));
  assert.ok(body.equals(bytes), 'the blob is what was sent in both parts');
}

test('an upload goes on after its connection broke, where the server says that it ends', async (t) => {
  const server = await startServer(t);

  async function breakOff(headers: Record<string, string>): Promise<void> {
    const bytes = randomBytes(3_000_000);
    const location = await startUpload(server, repository);
    const outgoing = await startBody(server, 'PATCH', location, headers);
    outgoing.write(bytes.subarray(0, 2_000_000));
    await until('bytes have arrived', async () => (await heldBytes(server, location)) > 0);
    outgoing.destroy();
    await finish(server, location, bytes);
  }

  await t.test('of a body with a length', () => breakOff({ 'content-length': '3000000' }));
  await t.test('of a body in chunks', () => breakOff({ 'transfer-encoding': 'chunked' }));
  await t.test('of a chunk with a range', () =>
    breakOff({ 'content-length': '3000000', 'content-range': '0-2999999' }),
  );

  await t.test('and a closing PUT that broke off stores nothing and can be sent again', async () => {
    const bytes = randomBytes(3_000_000);
    const location = await startUpload(server, repository);
    const path = `${location}?digest=${digestOf(bytes)}`;
    const outgoing = await startBody(server, 'PUT', path, { 'content-length': '3000000' });
    outgoing.write(bytes.subarray(0, 2_000_000));
    await until('bytes have arrived', async () => (await heldBytes(server, location)) > 0);
    outgoing.destroy();
    assert.equal((await send(server, 'HEAD', `/v2/${repository}/blobs/${digestOf(bytes)}`)).status, 404);
    await finish(server, location, bytes);
  });

  await t.test('and a single POST that broke off leaves no blob', async () => {
    const bytes = randomBytes(3_000_000);
    const path = `/v2/${repository}/blobs/uploads/?digest=${digestOf(bytes)}`;
    const uploads = join(server.dataDirectory, 'blobs', 'uploads');
    const before = await readdir(uploads);
    const outgoing = await startBody(server, 'POST', path, { 'content-length': '3000000' });
    outgoing.write(bytes.subarray(0, 2_000_000));
    await until('bytes have arrived', async () => (await readdir(uploads)).length > before.length);
    outgoing.destroy();
    await until('they are gone again', async () => (await readdir(uploads)).length === before.length);
    assert.equal((await send(server, 'HEAD', `/v2/${repository}/blobs/${digestOf(bytes)}`)).status, 404);
  });

  await t.test('and while one request writes to it, another one is refused and harms nothing', async () => {
    const bytes = randomBytes(2_000_000);
    const location = await startUpload(server, repository);
    const outgoing = await startBody(server, 'PATCH', location, { 'content-length': '2000000' });
    outgoing.write(bytes.subarray(0, 1_500_000));
    await until('bytes have arrived', async () => (await heldBytes(server, location)) > 0);

    const second = await send(server, 'PATCH', location, { body: 'in between' });
    assert.deepEqual(refusalOf(second), [416, 'RANGE_INVALID']);
    const finish = await send(server, 'PUT', `${location}?digest=${digestOf(bytes)}`);
    assert.deepEqual(refusalOf(finish), [416, 'RANGE_INVALID']);
    for (const refused of [second, finish]) {
      assert.equal(refused.headers.location, location);
      assert.match(header(refused, 'range'), /^0-\d+$/);
    }

    const answered = once(outgoing, 'response');
    outgoing.end(bytes.subarray(1_500_000));
    const [response] = await answered;
    response.resume();
    assert.deepEqual([response.statusCode, response.headers.range], [202, '0-1999999']);
    assert.equal((await send(server, 'PUT', `${location}?digest=${digestOf(bytes)}`)).status, 201);
  });
});

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`an upload goes on after ${signal} and a restart, and what was acknowledged is still there`, async (t) => {
    const server = await startServer(t);
    const bytes = randomBytes(500_000);
    const location = await startUpload(server, repository);
    const first = await send(server, 'PATCH', location, { body: bytes.subarray(0, 200_000) });
    assert.deepEqual([first.status, first.headers.range], [202, '0-199999']);
    const untouched = await startUpload(server, repository);

    await server.stop(signal);
    await server.start();

    assert.equal(await heldBytes(server, location), 200_000);
    await finish(server, location, bytes);
    assert.equal(
      (await send(server, 'PUT', `${untouched}?digest=${digestOf('x')}`, { body: 'x' })).status,
      201,
    );
  });
}

test('a disk that takes no more is told to the client, and the upload goes on when it does again', async (t) => {
  const prlimit = requireTool(t, 'prlimit');
  if (prlimit === undefined) return;
  const server = await startServer(t);
  const limitFiles = (bytes: string) =>
    execFileSync(prlimit, ['--pid', String(server.pid()), `--fsize=${bytes}:unlimited`]);
  const bytes = randomBytes(8_000_000);
  const location = await startUpload(server, repository);
  const whole = `/v2/${repository}/blobs/uploads/?digest=${digestOf(bytes)}`;

  limitFiles('2000000');
  for (const [method, path] of [
    ['PATCH', location],
    ['POST', whole],
  ] as const) {
    const answer = await send(server, method, path, { body: bytes });
    assert.deepEqual(refusalOf(answer), [503, 'UNAVAILABLE']);
    assert.equal(answer.headers['retry-after'], '1');
  }
  await until('the operator can read of it', () => {
    const told = server.lines.filter(({ level, msg }) => level === 'error' && msg === 'the request failed');
    return told.length === 2;
  });

  limitFiles('unlimited');
  await finish(server, location, bytes);
});
