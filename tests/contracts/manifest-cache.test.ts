import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setImmediate as endOfTurn } from 'node:timers/promises';
import { digestFrom } from '../../domain/digest.ts';
import { storedReader } from '../../gateway/oci/stored-bytes.ts';
import type { BlobStore } from '../../infra/blob-store/port.ts';
import { loadConfiguration } from '../../infra/configuration/load.ts';
import type { ManifestCache } from '../../infra/manifest-cache/port.ts';
import { redisManifestCache } from '../../infra/manifest-cache/redis.ts';
import { openRedis } from '../../infra/redis/connect.ts';
import { startRedis } from '../redis-server.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';

/** A Redis, and what two processes keep there. */
async function startCaches(t: TestContext) {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return undefined;
  const server = await startRedis(t, program);
  const configuration = await loadConfiguration({
    environment: {
      SHIPLOG_EXTERNAL_REDIS_HOST: server.address,
      SHIPLOG_EXTERNAL_REDIS_PASSWORD: server.password,
    },
  });
  const open = async () => {
    const redis = await openRedis(configuration, { info: () => undefined, warn: () => undefined });
    assert.ok(redis !== undefined);
    t.after(() => redis.disconnect());
    await until('it is connected', () => redis.status === 'ready');
    return redis;
  };
  const redis = await open();
  return { server, redis, one: redisManifestCache(redis, 100), other: redisManifestCache(await open(), 100) };
}

function aManifest() {
  const bytes = randomBytes(500);
  const digest = digestFrom('sha256', createHash('sha256').update(bytes).digest('hex'));
  return { bytes, digest, key: `sha256/${digest}/${randomBytes(4).toString('hex')}`, size: bytes.length };
}

/** A process of its own: reads `manifest` through `shared`, and counts how often the store was asked. */
function reading(manifest: ReturnType<typeof aManifest>, shared: ManifestCache) {
  let asked = 0;
  const open: BlobStore['open'] = async () => {
    asked += 1;
    return (async function* () {
      yield manifest.bytes;
    })() as unknown as Awaited<ReturnType<BlobStore['open']>>;
  };
  const read = storedReader({ open }, undefined, shared);
  return { read: () => read(manifest), asked: () => asked };
}

test('a manifest that one process has read is not read from the store by another', async (t) => {
  const caches = await startCaches(t);
  if (caches === undefined) return;
  const manifest = aManifest();
  const one = reading(manifest, caches.one);
  assert.ok(manifest.bytes.equals(await one.read()));
  await until(
    'it is kept',
    async () => (await caches.redis.exists(`shiplog:manifest:${manifest.key}`)) === 1,
  );
  assert.ok((await caches.redis.ttl(`shiplog:manifest:${manifest.key}`)) > 0, 'not for ever');

  // A slow machine may make it late once, whereupon it is left alone for a while.
  await until('the other process has it from there', async () => {
    const other = reading(manifest, redisManifestCache(caches.redis, 100));
    assert.ok(manifest.bytes.equals(await other.read()));
    return other.asked() === 0;
  });
  assert.equal(one.asked(), 1);
});

test('what somebody else has put there is not served', async (t) => {
  const caches = await startCaches(t);
  if (caches === undefined) return;
  const manifest = aManifest();
  await caches.redis.set(`shiplog:manifest:${manifest.key}`, 'another manifest', 'EX', 100);
  const { read } = reading(manifest, caches.one);
  assert.ok(manifest.bytes.equals(await read()));
});

test('what a full Redis has is had from it, though it takes nothing more', async (t) => {
  const caches = await startCaches(t);
  if (caches === undefined) return;
  const { redis, one } = caches;
  const manifest = aManifest();
  await redis.set(`shiplog:manifest:${manifest.key}`, manifest.bytes, 'EX', 100);
  await redis.config('SET', 'maxmemory', '1');
  // More than once, since a slow machine may make it late, whereupon it is left alone for a while.
  await until('it is asked after it has refused another one', async () => {
    const other = aManifest();
    one.keep(other.key, other.bytes);
    // Answered after that.
    assert.equal(await redis.exists(`shiplog:manifest:${other.key}`), 0);
    return (await one.find(manifest.key))?.equals(manifest.bytes) === true;
  });
});

/** Holds everything up in this process, for longer than anybody waits for Redis. */
function beBusy(): void {
  const end = performance.now() + 40;
  while (performance.now() < end);
}

const busyWhiles: Record<string, (find: () => Promise<unknown>) => Promise<unknown>> = {
  async 'before it asks'(find) {
    await endOfTurn();
    beBusy();
    return find();
  },
  'before the question is sent'(find) {
    const found = find();
    beBusy();
    return found;
  },
  async 'while the answer arrives'(find) {
    const found = find();
    await endOfTurn();
    beBusy();
    return found;
  },
};

for (const [when, busyWhile] of Object.entries(busyWhiles)) {
  test(`a process that is busy ${when} does not take Redis for slow`, async (t) => {
    const caches = await startCaches(t);
    if (caches === undefined) return;
    const manifest = aManifest();
    await caches.redis.set(`shiplog:manifest:${manifest.key}`, manifest.bytes, 'EX', 100);
    // More than once, since Redis itself may be slow on a busy machine.
    await until('it has the manifest', async () => {
      const cache = redisManifestCache(caches.redis, 100);
      const found = await busyWhile(() => cache.find(manifest.key));
      return Buffer.isBuffer(found) && found.equals(manifest.bytes);
    });
  });
}

for (const leave of ['kill', 'freeze'] as const) {
  test(`while Redis is away (${leave}) manifests come from the store, and nobody waits for it twice`, async (t) => {
    const caches = await startCaches(t);
    if (caches === undefined) return;
    await caches.server[leave]();
    const manifests = Array.from({ length: 20 }, aManifest);
    for (const manifest of manifests) {
      const { read, asked } = reading(manifest, caches.one);
      assert.ok(manifest.bytes.equals(await read()));
      assert.equal(asked(), 1);
    }
    caches.server.resume();
  });
}
