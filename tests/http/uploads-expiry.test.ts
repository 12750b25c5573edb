import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openFilesystemStore } from '../../infra/blob-store/filesystem.ts';
import type { BlobStore } from '../../infra/blob-store/port.ts';
import { openS3Store } from '../../infra/blob-store/s3.ts';
import { keepSweepingUploads, sweepUploads } from '../../workers/sweep-uploads.ts';
import { begin, collect, digestOf, held, inPieces } from '../contracts/blob-store.ts';
import { startMinio } from '../minio-server.ts';
import { startServer, type TestServer } from '../server.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';
import { refusalOf, send, digestOf as sha256, startUpload } from './client.ts';

const weekMs = 7 * 24 * 3_600_000;
const repository = 'library/expiry';
const bytes = randomBytes(1000);

/** Lets an upload look as if nobody had been at work on it for longer than it is kept. */
async function age(server: TestServer, location: string): Promise<void> {
  const folder = join(server.dataDirectory, 'blobs', 'uploads', location.split('/').at(-1) ?? '');
  const long = new Date(Date.now() - weekMs - 60_000);
  for (const name of await readdir(folder)) await utimes(join(folder, name), long, long);
}

const statusOf = async (server: TestServer, location: string) => (await send(server, 'GET', location)).status;

test('a server removes the uploads that nobody went on with for a week, and no others', async (t) => {
  const server = await startServer(t, { environment: { SHIPLOG_UPLOAD_PURGING_INTERVAL: '1s' } });
  const [abandoned, resumed, fresh] = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const location = await startUpload(server, repository);
      await send(server, 'PATCH', location, { body: bytes.subarray(0, 500) });
      return location;
    }),
  );
  assert.ok(abandoned && resumed && fresh);
  const uploads = join(server.dataDirectory, 'blobs', 'uploads');
  // As a push in one request leaves it whose process died.
  const remains = join(uploads, randomUUID());
  await mkdir(remains);
  await writeFile(join(remains, `data-${randomUUID()}`), 'abc');
  await age(server, remains);
  await age(server, resumed);
  // An upload is as old as the last request for it, and not as its beginning.
  const patched = await send(server, 'PATCH', resumed, { body: 'x' });
  assert.ok([202, 404].includes(patched.status));
  const lives = patched.status === 202 ? [resumed, fresh] : [fresh];

  await age(server, abandoned);

  await until('what was abandoned is gone', async () => (await readdir(uploads)).length === lives.length);
  assert.deepEqual(refusalOf(await send(server, 'GET', abandoned)), [404, 'BLOB_UPLOAD_UNKNOWN']);
  const put = await send(server, 'PUT', `${fresh}?digest=${sha256(bytes)}`, { body: bytes.subarray(500) });
  assert.equal(put.status, 201);
  await until('the operator can read of it', () =>
    server.lines.some(({ msg }) => msg === 'abandoned uploads were removed'),
  );
});

test('a server removes what was abandoned while it was down', async (t) => {
  const server = await startServer(t);
  const [old, fresh] = [await startUpload(server, repository), await startUpload(server, repository)];
  await server.stop();
  await age(server, old);
  await server.start();
  await until('the abandoned upload is gone', async () => (await statusOf(server, old)) === 404);
  assert.equal(await statusOf(server, fresh), 204);
});

test('a server that is told to try only removes nothing, and says what it would remove', async (t) => {
  const server = await startServer(t, { environment: { SHIPLOG_UPLOAD_PURGING_DRYRUN: 'true' } });
  const old = await startUpload(server, repository);
  await server.stop();
  await age(server, old);
  await server.start();
  const told = () => server.lines.find(({ msg }) => msg === 'abandoned uploads would be removed');
  await until('the operator can read of it', () => told() !== undefined);
  assert.equal(told()?.expired, 1);
  assert.equal(await statusOf(server, old), 204);
});

interface Stores {
  readonly store: BlobStore;
  /** As another process has it open. */
  readonly other: BlobStore;
}

async function onFiles(t: TestContext): Promise<Stores> {
  const directory = await mkdtemp(join(tmpdir(), 'shiplog-sweep-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const open = () => openFilesystemStore({ directory, heartbeatMs: 5 });
  return { store: await open(), other: await open() };
}

async function onS3(t: TestContext): Promise<Stores | undefined> {
  const program = requireTool(t, 'minio');
  if (program === undefined) return undefined;
  const minio = await startMinio(program);
  t.after(() => minio.stop());
  const open = async () => {
    const store = await openS3Store({ ...minio.settings, heartbeatMs: 5 });
    t.after(() => store.close());
    return store;
  };
  return { store: await open(), other: await open() };
}

for (const [product, open] of Object.entries({ filesystem: onFiles, s3: onS3 })) {
  const sweep = (store: BlobStore, now = () => new Date(Date.now() + 60_000)) =>
    sweepUploads({ store, now })({ ageMs: 0, dryRun: false });

  test(`${product}: a sweep leaves a slow request of its own process alone, however old its upload`, async (t) => {
    const stores = await open(t);
    if (stores === undefined) return;
    const { store } = stores;
    const id = await begin(store);
    const slow = held(bytes.subarray(0, 500));
    const append = store.appendToUpload(id, 0, slow.source);
    await slow.begun;
    assert.deepEqual(await sweep(store), { expired: 0, busy: 1 });
    slow.release();
    await append;
    await store.appendToUpload(id, 500, inPieces(bytes.subarray(500)));
    assert.equal((await store.finishUpload(id, digestOf(bytes))).size, bytes.length);
    assert.deepEqual(await sweep(store), { expired: 0, busy: 0 });
  });

  test(`${product}: a sweep leaves a slow request of another process alone, which says that it lives`, async (t) => {
    const stores = await open(t);
    if (stores === undefined) return;
    const { store, other } = stores;
    const id = await begin(store);
    const slow = held(bytes.subarray(0, 500));
    const append = store.appendToUpload(id, 0, slow.source);
    await slow.begun;
    const [upload] = await collect(other.listUploads());
    const begun = upload?.lastActivityAt ?? new Date();
    await until('it has said so', async () => {
      const [now] = await collect(other.listUploads());
      return now !== undefined && now.lastActivityAt > begun;
    });
    // Everything is too old that was last seen when the request began.
    assert.deepEqual(await sweep(other, () => begun), { expired: 0, busy: 0 });
    slow.release();
    assert.equal(await append, 500);
  });

  test(`${product}: an upload that somebody goes on with between the look and the removal is kept`, async (t) => {
    const stores = await open(t);
    if (stores === undefined) return;
    const { store, other } = stores;
    const id = await begin(store);
    await store.appendToUpload(id, 0, inPieces(bytes.subarray(0, 500)));
    const [listed] = await collect(store.listUploads());
    const seen = listed?.lastActivityAt ?? new Date();
    async function* listedThenResumed() {
      yield* store.listUploads();
    }
    const resumed: BlobStore = {
      ...store,
      listUploads: listedThenResumed,
      async expireUpload(of, idleSince) {
        // Stores tell whole seconds.
        await until('it was gone on with, later than that', async () => {
          const { size } = await other.findUpload(id);
          await other.appendToUpload(id, size, inPieces(Buffer.from('x')));
          const [upload] = await collect(store.listUploads());
          return upload !== undefined && upload.lastActivityAt > idleSince;
        });
        return store.expireUpload(of, idleSince);
      },
    };
    assert.deepEqual(await sweep(resumed, () => seen), { expired: 0, busy: 0 });
    assert.ok((await other.findUpload(id)).size > 500);
  });

  test(`${product}: sweeps of several processes at once remove each upload once, and nothing else`, async (t) => {
    const stores = await open(t);
    if (stores === undefined) return;
    const { store, other } = stores;
    const ids = await Promise.all(Array.from({ length: 10 }, () => begin(store)));
    const blob = await store.put(digestOf(bytes), inPieces(bytes));
    const swept = await Promise.all([sweep(store), sweep(other)]);
    const removed = swept.reduce((sum, { expired }) => sum + expired, 0);
    assert.ok(removed >= ids.length, `${removed} of ${ids.length}`);
    assert.deepEqual(await collect(store.listUploads()), []);
    assert.equal(await store.size(blob.key), bytes.length);
  });
}

test('a sweep that fails is logged and done again at the next interval', async (t) => {
  const { store } = await onFiles(t);
  const warnings: string[] = [];
  let looks = 0;
  const failing: BlobStore = {
    ...store,
    listUploads() {
      looks += 1;
      throw new Error('the disk is away');
    },
  };
  const sweeping = keepSweepingUploads({
    store: failing,
    logger: { info: () => undefined, warn: (_, message) => warnings.push(message) },
    settings: { enabled: true, age: weekMs, interval: 5, dryrun: false },
  });
  await until('it was done again', () => looks > 2);
  await sweeping.stop();
  assert.equal(warnings.length, looks);
});

test('finished uploads are kept in mind for half an hour, whether or not abandoned ones are removed', async (t) => {
  const { store } = await onFiles(t);
  const blob = await store.put(digestOf(bytes), inPieces(bytes));
  const id = randomUUID();
  await store.rememberFinished({ id, repository, projectId: 1, startedBy: 'user:admin', blob });
  const forgets: Date[] = [];
  const sweeping = keepSweepingUploads({
    store: {
      ...store,
      async forgetFinished(time) {
        forgets.push(time);
        return store.forgetFinished(time);
      },
    },
    logger: { info: () => undefined, warn: () => undefined },
    settings: { enabled: false, age: weekMs, interval: 5, dryrun: false },
  });
  await until('it was looked through', () => forgets.length > 0);
  await sweeping.stop();
  const ageMs = Date.now() - (forgets[0]?.getTime() ?? 0);
  assert.ok(ageMs >= 30 * 60_000 && ageMs < 40 * 60_000, String(ageMs));
  assert.ok(await store.findFinished(id));
});
