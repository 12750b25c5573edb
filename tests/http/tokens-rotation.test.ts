import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeProtectedHeader } from 'jose';
import { recorder } from '../../commands/record.ts';
import { leadMs, leewayMs, rotateSigningKey } from '../../commands/rotate-signing-key.ts';
import { catalogue } from '../../domain/catalogue.ts';
import { tokenKeysStream } from '../../domain/token-key/events.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { secretBox } from '../../infra/secrets/aes-gcm.ts';
import { newSigningKey } from '../../infra/signing-key/es256.ts';
import { type Scope, startServer, type TestServer } from '../server.ts';
import { until } from '../until.ts';
import { send } from './client.ts';
import { signingKeysOf } from './installation-keys.ts';
import { eventsOf, openLogOf } from './server-log.ts';
import { askToken, bearer } from './token-client.ts';

const system = { actor: 'system' };
const kidOf = (token: string) => decodeProtectedHeader(token).kid;

/** As a process beside the server. */
async function rotatorOf(t: Scope, server: TestServer) {
  const log = await openLogOf(t, server);
  const secrets = secretBox((await readFile(join(server.dataDirectory, 'secret-key'), 'utf8')).trim());
  const rotate = () =>
    rotateSigningKey({ log, record: recorder({ log, catalogue, newEventId }), secrets, newSigningKey });
  return { log, rotate: rotate() };
}

test('a key is made at the first start, once, and its private half is in no event', async (t) => {
  const server = await startServer(t);
  const { log } = await rotatorOf(t, server);
  const [key, ...others] = await signingKeysOf(log);
  assert.deepEqual(others, []);
  assert.deepEqual(Object.keys(key?.publicKey ?? {}).toSorted(), ['crv', 'kty', 'x', 'y']);
  assert.match(key?.sealedPrivateKey ?? '', /^v1\./);
  const { token } = await askToken(server);
  assert.equal(kidOf(token), key?.kid);

  await server.stop();
  await server.start();
  assert.equal((await signingKeysOf(await openLogOf(t, server))).length, 1);
  assert.equal((await send(server, 'GET', '/v2/', bearer(token))).status, 200);
});

test('a new key is published before it signs, and the old one verifies until its last token has expired', async (t) => {
  const server = await startServer(t);
  const { log } = await rotatorOf(t, server);
  const { token } = await askToken(server);
  const { code, output } = await server.run('token-keys', 'rotate');
  assert.equal(code, 0, output);

  const [old, next] = await signingKeysOf(log);
  const retired = (await eventsOf(log, tokenKeysStream)).at(-1);
  const signsFrom = Date.parse(next?.signsFrom ?? '');
  assert.ok(signsFrom - Date.now() > leadMs / 2, 'it does not sign yet');
  assert.deepEqual(
    [retired?.type, retired?.data.kid, Date.parse(String(retired?.data.verifiesUntil))],
    ['SigningKeyRetired', old?.kid, signsFrom + 24 * 60 * 60_000 + leewayMs],
  );
  await server.stop();
  await server.start();
  assert.equal(kidOf((await askToken(server)).token), old?.kid);
  assert.equal((await send(server, 'GET', '/v2/', bearer(token))).status, 200);
});

test('a key whose time has come signs, and the tokens of the one before stay good', async (t) => {
  const server = await startServer(t);
  const { log, rotate } = await rotatorOf(t, server);
  const { token } = await askToken(server);
  // As if it had been published a minute ago.
  const now = new Date(Date.now() - leadMs);
  await rotate({ now, tokenLifetimeMs: 30 * 60_000, olderThanMs: Number.NEGATIVE_INFINITY }, system);
  const [, next] = await signingKeysOf(log);

  await until('the new key signs', async () => kidOf((await askToken(server)).token) === next?.kid);
  for (const good of [token, (await askToken(server)).token])
    assert.equal((await send(server, 'GET', '/v2/', bearer(good))).status, 200);
});

test('after a revocation no token of an earlier key is good, and new ones are', async (t) => {
  const server = await startServer(t);
  const { token } = await askToken(server);
  assert.equal((await send(server, 'GET', '/v2/', bearer(token))).status, 200);
  // Also where a key has just been added, and does not sign yet.
  for (const options of [[], ['--revoke']]) {
    const { code, output } = await server.run('token-keys', 'rotate', ...options);
    assert.equal(code, 0, output);
    assert.match(output, /there is a new key/);
  }
  await until(
    'the old token is void',
    async () => (await send(server, 'GET', '/v2/', bearer(token))).status === 401,
  );
  const { token: fresh } = await askToken(server);
  assert.notEqual(kidOf(fresh), kidOf(token));
  assert.equal((await send(server, 'GET', '/v2/', bearer(fresh))).status, 200);
});

test('of many processes that rotate at once, one adds a key', async (t) => {
  const server = await startServer(t);
  const { log } = await rotatorOf(t, server);
  const rotators = await Promise.all(Array.from({ length: 4 }, () => rotatorOf(t, server)));
  const rotation = { now: new Date(), tokenLifetimeMs: 60_000 };
  const results = await Promise.all(rotators.map(({ rotate }) => rotate(rotation, system)));
  assert.equal(results.filter(({ rotated }) => rotated).length, 1);
  const [old, ...others] = await signingKeysOf(log);
  assert.equal(others.length, 1);
  const retired = (await eventsOf(log, tokenKeysStream)).filter(({ type }) => type === 'SigningKeyRetired');
  assert.deepEqual(
    retired.map(({ data }) => data.kid),
    [old?.kid],
  );
});

test('a key that is young enough is left in place', async (t) => {
  const server = await startServer(t);
  const { log, rotate } = await rotatorOf(t, server);
  const young = { now: new Date(), tokenLifetimeMs: 60_000, olderThanMs: 60_000 };
  assert.equal((await rotate(young, system)).rotated, false);
  const old = { ...young, now: new Date(Date.now() + 120_000) };
  assert.equal((await rotate(old, system)).rotated, true);
  assert.equal((await signingKeysOf(log)).length, 2);
});

test('a server with another secret key says so and does not start, until it has its own again', async (t) => {
  const server = await startServer(t);
  const { token } = await askToken(server);
  await server.stop();
  const file = join(server.dataDirectory, 'secret-key');
  const own = await readFile(file);
  await writeFile(file, 'another key of this length\n');
  await assert.rejects(server.start(), /the secret key is not the one that this database was written with/);
  await writeFile(file, own);
  await server.start();
  assert.equal((await send(server, 'GET', '/v2/', bearer(token))).status, 200);
});
