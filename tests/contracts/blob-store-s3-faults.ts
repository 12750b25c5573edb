import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type BlobStore, StoreFull, StoreUnavailable, UploadNotFound } from '../../infra/blob-store/port.ts';
import { openS3Store, type S3Settings } from '../../infra/blob-store/s3.ts';
import { digestOfGenerated, generated } from '../generated-bytes.ts';
import { type Fate, type S3Proxy, startProxy } from '../s3-proxy.ts';
import {
  begin,
  collect,
  digestOf,
  keysOf,
  read,
  type StartStore,
  type StoreUnderTest,
} from './blob-store.ts';

const partSize = 5 * 1024 * 1024;
const head = partSize + 1000;
const total = head + 1000;

interface Faulty {
  readonly run: StoreUnderTest;
  /** The store on the server itself. */
  readonly direct: BlobStore;
  /** The store behind the proxy. */
  readonly store: BlobStore;
  readonly proxy: S3Proxy;
}

async function upload(store: BlobStore, first: number, size: number): Promise<void> {
  const id = await begin(store);
  await store.appendToUpload(id, 0, generated(1, first));
  await store.appendToUpload(id, first, generated(1, size, first));
  await store.finishUpload(id, digestOfGenerated(1, size));
}

const works: Record<string, (store: BlobStore) => Promise<unknown>> = {
  'a large upload': (store) => upload(store, head, total),
  'a small upload': (store) => upload(store, 10, 20),
  'a large put': (store) => store.put(digestOfGenerated(1, total), generated(1, total)),
  'a small put': (store) => store.put(digestOfGenerated(1, 20), generated(1, 20)),
  async 'a cancelled upload'(store) {
    const id = await begin(store);
    await store.appendToUpload(id, 0, generated(1, total));
    await store.cancelUpload(id);
  },
  async 'an upload under a wrong digest'(store) {
    const id = await begin(store);
    await store.appendToUpload(id, 0, generated(1, total));
    const wrong = digestOfGenerated(2, 10, 'sha512');
    await assert.rejects(store.finishUpload(id, wrong), { name: 'DigestMismatch' });
  },
};

/** What holds for S3 alone: requests that fail, each in turn. */
export function s3Faults(start: StartStore): void {
  function rule(name: string, check: (t: TestContext, faulty: Faulty) => Promise<void>): void {
    test(`s3: ${name}`, async (t) => {
      const run = await start(t);
      if (run === undefined) return;
      const settings = run.settings as S3Settings;
      const proxy = await startProxy(settings.endpoint);
      const store = await openS3Store({ ...settings, endpoint: proxy.endpoint });
      const direct = await openS3Store(settings);
      t.after(async () => {
        await Promise.all([store.close(), direct.close()]);
        await proxy.stop();
      });
      await check(t, { run, direct, store, proxy });
    });
  }

  for (const [name, work] of Object.entries(works))
    for (const fate of ['refuse', 'lose'] as const)
      for (const goOn of [true, false])
        rule(
          `${name} that ends at any request (${fate}) can be ${goOn ? 'continued' : 'cancelled'}`,
          async (t, { run, direct, store, proxy }) => {
            for (let last = 0; ; last++) {
              let requests = 0;
              proxy.decide = () => {
                requests++;
                if (requests === last + 1) return fate;
                return requests <= last ? 'pass' : 'refuse';
              };
              const [outcome] = await Promise.allSettled([work(store)]);
              await sweep(direct, goOn);
              // The first try with enough requests shows that the work can be done at all.
              if (requests <= last) assert.equal(outcome.status, 'fulfilled');
              for (const { key, digest } of await collect(direct.list())) {
                assert.equal(digestOf(await read(direct, key)), digest, `after ${last} requests`);
                await direct.delete(key);
              }
              assert.deepEqual(await run.everything(), [], `after ${last} requests`);
              if (requests <= last) {
                t.diagnostic(`${last} requests`);
                return;
              }
              assert.ok(last < 100);
            }
          },
        );

  rule('a request that fails for a moment is repeated', async (_, { store, proxy }) => {
    const passing: Fate[] = [
      { status: 503, code: 'SlowDown' },
      { status: 500, code: 'InternalError' },
      { status: 403, code: 'AccessDenied' },
    ];
    let requests = 0;
    proxy.decide = () => passing[requests++ % 4] ?? 'pass';
    await store.put(digestOfGenerated(1, 20), generated(1, 20));
    const [key] = await keysOf(store);
    assert.equal(digestOf(await read(store, key ?? '')), digestOfGenerated(1, 20));
  });

  rule(
    'a blob whose parts S3 fails to put together, after it has said 200, is put together again',
    async (_, { store, proxy }) => {
      const failures = ['InternalError', 'SlowDown'];
      proxy.decide = (method, path) => {
        const code = method === 'POST' && path.includes('uploadId=') ? failures.shift() : undefined;
        return code === undefined ? 'pass' : { status: 200, code };
      };
      const { key, digest } = await store.put(digestOfGenerated(1, total), generated(1, total));
      assert.deepEqual(failures, []);
      assert.equal(digestOf(await read(store, key)), digest);
    },
  );

  rule('a full store is told as such', async (_, { store, proxy }) => {
    const id = await begin(store);
    proxy.decide = () => ({ status: 507, code: 'XMinioStorageFull' });
    await assert.rejects(store.put(digestOfGenerated(1, 20), generated(1, 20)), StoreFull);
    proxy.decide = (method) => (method === 'PUT' ? { status: 507, code: 'XMinioStorageFull' } : 'pass');
    await assert.rejects(store.appendToUpload(id, 0, generated(1, total)), StoreFull);
    proxy.decide = () => 'pass';
    const { size } = await store.findUpload(id);
    await store.appendToUpload(id, size, generated(1, total, size));
    await store.finishUpload(id, digestOfGenerated(1, total));
  });

  rule('an answer that breaks off is an error of the stream', async (_, { store, proxy }) => {
    const { key } = await store.put(digestOfGenerated(1, total), generated(1, total));
    proxy.decide = (_, path) => (path.includes('/data/') ? 'cut' : 'pass');
    await assert.rejects(read(store, key), StoreUnavailable);
  });

  rule('a store that refuses the credentials is unavailable', async (_, { run }) => {
    const settings = { ...(run.settings as S3Settings), secretKey: 'not the secret' };
    await assert.rejects(openS3Store(settings), StoreUnavailable);
  });

  rule('a bucket that is missing is an error at the start', async (_, { run }) => {
    const settings = { ...(run.settings as S3Settings), bucket: 'missing' };
    await assert.rejects(openS3Store(settings), StoreUnavailable);
  });
}

async function sweep(store: BlobStore, goOn: boolean): Promise<void> {
  for (const { id, repository } of await collect(store.listUploads()))
    if (!goOn || repository === '' || !(await finishes(store, id))) await store.cancelUpload(id);
  assert.deepEqual(await collect(store.listUploads()), []);
}

/** Continues the upload; false when it ended before, as a blob or because somebody began to cancel it. */
async function finishes(store: BlobStore, id: string): Promise<boolean> {
  try {
    const upload = await store.findUpload(id);
    const size = upload.size > 1000 ? total : 20;
    if (upload.size < size) await store.appendToUpload(id, upload.size, generated(1, size, upload.size));
    await store.finishUpload(id, digestOfGenerated(1, size));
    return true;
  } catch (error) {
    if (error instanceof UploadNotFound) return false;
    throw error;
  }
}
