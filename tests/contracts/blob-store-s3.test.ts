import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { Client } from 'minio';
import { atOnce } from '../../commands/at-once.ts';
import { keyOf } from '../../infra/blob-store/key.ts';
import { BlobNotFound, BlobTooLarge, StoreUnavailable } from '../../infra/blob-store/port.ts';
import type { S3Settings } from '../../infra/blob-store/s3.ts';
import { bytesOf, digestOfGenerated, generated } from '../generated-bytes.ts';
import { type MinioServer, startMinio } from '../minio-server.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';
import { blobStoreContract, collect, digestOf, keysOf, read, type StoreUnderTest } from './blob-store.ts';
import { openStore } from './blob-store-child.ts';
import { blobStoreExpiry } from './blob-store-expiry.ts';
import { s3Faults } from './blob-store-s3-faults.ts';

let server: Promise<MinioServer> | undefined;
after(async () => (await server)?.stop());

async function startS3(t: TestContext): Promise<StoreUnderTest | undefined> {
  const program = requireTool(t, 'minio');
  if (program === undefined) return undefined;
  server ??= startMinio(program);
  const { settings: shared, directory } = await server;
  // A prefix of its own keeps the tests apart on one server.
  const settings = { ...shared, kind: 's3', prefix: `${randomUUID()}/`, partSize: 5 * 1024 * 1024 } as const;
  const { bucket, prefix } = settings;
  const client = clientOf(settings);
  const earlier = await multipartsBelow(directory);
  return {
    settings,
    kills: 8,
    largeBytes: 1024 ** 3,

    async plantStrays() {
      const hex = 'ab'.repeat(32);
      const random = '0'.repeat(32);
      for (const name of [
        `blobs/md5/ab/${hex}/${random}`,
        `blobs/sha256/cd/${hex}/${random}`,
        `blobs/sha256/ab/${hex.toUpperCase()}/${random}`,
        `blobs/sha256/ab/${hex}/${random}.tmp`,
        `blobs/sha256/ab/${hex}/${random}/more`,
        'blobs/object',
        'uploads/object',
        'uploads/folder/state.json',
        'object',
      ])
        await client.putObject(bucket, prefix + name, 'stray');
    },

    async everything() {
      const objects = await collect(client.listObjectsV2(bucket, prefix, true));
      const multiparts = await multipartsBelow(directory);
      return [
        ...objects.map(({ name }) => name ?? ''),
        ...multiparts.filter((multipart) => !earlier.includes(multipart)),
      ];
    },
  };
}

/** Read from the server's disk, since MinIO lists the multipart uploads of a whole name only. */
async function multipartsBelow(directory: string): Promise<readonly string[]> {
  const folder = join(directory, '.minio.sys', 'multipart');
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => name.endsWith('xl.meta'));
}

function clientOf({ endpoint, accessKey, secretKey, region }: S3Settings): Client {
  const { hostname, port } = new URL(`http://${endpoint}`);
  return new Client({ endPoint: hostname, port: Number(port), useSSL: false, accessKey, secretKey, region });
}

blobStoreContract('s3', startS3);
blobStoreExpiry('s3', startS3);
s3Faults(startS3);

test('s3: a store whose server is gone is unavailable, and works when it is back', async (t) => {
  const run = await startS3(t);
  if (run === undefined || server === undefined) return;
  const { kill, restart } = await server;
  const store = await openStore(run.settings);
  t.after(() => store.close());
  const { key, digest } = await store.put(digestOfGenerated(1, 1000), generated(1, 1000));
  await kill();
  await Promise.all([
    assert.rejects(store.put(digest, generated(1, 1000)), StoreUnavailable),
    assert.rejects(store.open(key), StoreUnavailable),
    assert.rejects(
      store.createUpload(randomUUID(), { repository: 'a', projectId: 1, startedBy: 'b' }),
      StoreUnavailable,
    ),
    assert.rejects(collect(store.list()), StoreUnavailable),
  ]);
  await restart();
  assert.equal(digestOf(await read(store, key)), digest);
  await store.put(digest, generated(1, 1000));
});

test('s3: a listing goes on behind its first page, and tells each blob once', async (t) => {
  const run = await startS3(t);
  if (run === undefined) return;
  const store = await openStore(run.settings);
  t.after(() => store.close());
  const settings = run.settings as S3Settings;
  const client = clientOf(settings);
  // A page of S3 has at most a thousand.
  const keys = Array.from({ length: 1100 }, (_, index) => keyOf(digestOf(Buffer.from(`blob ${index}`))));
  await atOnce(50, keys, (key) => client.putObject(settings.bucket, `${settings.prefix}blobs/${key}`, 'x'));
  assert.deepEqual(await keysOf(store), keys.toSorted());
});

test('s3: an upload of more parts than a blob can have is too large, and no outage', async (t) => {
  const run = await startS3(t);
  if (run === undefined) return;
  const settings = run.settings as S3Settings;
  const store = await openStore(run.settings);
  t.after(() => store.close());
  const id = randomUUID();
  await store.createUpload(id, { repository: 'a', projectId: 1, startedBy: 'b' });
  // As after 50 GB, which nobody wants to send here.
  const name = `${settings.prefix}uploads/${id}/state.json`;
  const client = clientOf(settings);
  const chunks = await collect<Buffer>(await client.getObject(settings.bucket, name));
  const state = JSON.parse(Buffer.concat(chunks).toString());
  const size = 9_999 * 5 * 1024 * 1024;
  const parts = Array(9_999).fill('etag');
  const full = JSON.stringify({ ...state, begun: true, multipart: 'some', parts, size });
  await client.putObject(settings.bucket, name, full);
  await assert.rejects(store.appendToUpload(id, size, generated(1, 6 * 1024 * 1024)), BlobTooLarge);
  assert.equal((await store.findUpload(id)).size, size);
});

test('s3: a put takes memory for what has come, in whatever pieces, and not for a whole part', async (t) => {
  const run = await startS3(t);
  if (run === undefined) return;
  const store = await openStore(run.settings);
  t.after(() => store.close());
  const rest = Promise.withResolvers<void>();
  const puts = 100;
  let waiting = 0;
  const bytes = bytesOf(1, 3000);
  async function* source() {
    yield bytes.subarray(0, 10);
    waiting += 1;
    await rest.promise;
    for (let at = 10; at < bytes.length; at++) yield bytes.subarray(at, at + 1);
  }
  const before = process.memoryUsage().arrayBuffers;
  const stored = Array.from({ length: puts }, () => store.put(digestOf(bytes), source()));
  await until('each has taken its first piece', () => waiting === puts);
  const taken = process.memoryUsage().arrayBuffers - before;
  rest.resolve();
  for (const { key } of await Promise.all(stored)) assert.ok(bytes.equals(await read(store, key)));
  assert.ok(taken < puts * 1024 * 1024, `${taken} bytes for ${puts} puts`);
});

test('s3: whoever has the signed URL of a blob can read it, all or a range, until it expires', async (t) => {
  const run = await startS3(t);
  if (run === undefined) return;
  const store = await openStore(run.settings);
  t.after(() => store.close());
  assert.ok(store.presign);
  for (const size of [10, 6 * 1024 * 1024]) {
    const bytes = bytesOf(1, size);
    const { key } = await store.put(digestOf(bytes), generated(1, size));
    const url = await store.presign(key, { method: 'GET', expiresInSeconds: 60 });
    assert.ok(bytes.equals(Buffer.from(await (await fetch(url)).arrayBuffer())));
    const range = await fetch(url, { headers: { range: 'bytes=2-5' } });
    assert.equal(range.status, 206);
    assert.ok(bytes.subarray(2, 6).equals(Buffer.from(await range.arrayBuffer())));
    const head = await store.presign(key, { method: 'HEAD', expiresInSeconds: 60 });
    const { status, headers } = await fetch(head, { method: 'HEAD' });
    assert.deepEqual([status, headers.get('content-length')], [200, String(size)]);
    assert.equal((await fetch(url.replace(/X-Amz-Expires=60/, 'X-Amz-Expires=6000'))).status, 403);
  }
  for (const bad of ['../x', '', 'sha256/ab/x'])
    await assert.rejects(store.presign(bad, { method: 'GET', expiresInSeconds: 60 }), BlobNotFound);
});
