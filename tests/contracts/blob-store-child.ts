/** A process of its own that works on a blob store until it is done or killed. Writes one line of JSON a step. */
import { createHash, randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { digestFrom } from '../../domain/digest.ts';
import { type FilesystemSettings, openFilesystemStore } from '../../infra/blob-store/filesystem.ts';
import type { BlobStore, StoredBlob } from '../../infra/blob-store/port.ts';
import { openS3Store, type S3Settings } from '../../infra/blob-store/s3.ts';
import { digestOfGenerated, generated } from '../generated-bytes.ts';

export type StoreSettings =
  | ({ readonly kind: 'filesystem' } & FilesystemSettings)
  | ({ readonly kind: 's3' } & S3Settings);

/** Stores blobs without end, of up to `maxSize` bytes, several at once; or one of `size` bytes, twice. */
export type Task =
  | { readonly kind: 'churn'; readonly firstSeed: number; readonly maxSize: number }
  | { readonly kind: 'large'; readonly size: number };

export type Step =
  | { readonly kind: 'stored'; readonly blob: StoredBlob }
  | { readonly kind: 'appended'; readonly id: string; readonly size: number }
  /** By how many bytes the process grew at most. */
  | { readonly kind: 'grown'; readonly bytes: number };

export const openStore = (settings: StoreSettings): Promise<BlobStore> =>
  settings.kind === 'filesystem' ? openFilesystemStore(settings) : openS3Store(settings);

/** What `churn` uploads under `seed`, which it writes into the upload's repository. */
export const sizeOfSeed = (seed: number, maxSize: number): number =>
  seed % 7 === 0 ? maxSize - (seed % 1000) : (seed * 7919) % 100_000;

// Written at once, so that what is told has happened before a kill.
const tell = (step: Step): number => writeSync(1, `${JSON.stringify(step)}\n`);

async function churn(store: BlobStore, firstSeed: number, maxSize: number): Promise<never> {
  let seed = firstSeed;
  const work = async (): Promise<never> => {
    for (;;) {
      const own = seed++;
      const size = sizeOfSeed(own, maxSize);
      const digest = digestOfGenerated(own, size);
      if (own % 3 === 0) {
        tell({ kind: 'stored', blob: await store.put(digest, generated(own, size)) });
        continue;
      }
      const id = randomUUID();
      await store.createUpload(id, { repository: `churn/${own}`, projectId: 1, startedBy: 'user:test' });
      const half = await store.appendToUpload(id, 0, generated(own, Math.floor(size / 2)));
      tell({ kind: 'appended', id, size: half });
      tell({ kind: 'appended', id, size: await store.appendToUpload(id, half, generated(own, size, half)) });
      tell({ kind: 'stored', blob: await store.finishUpload(id, digest) });
    }
  };
  return Promise.race(Array.from({ length: 6 }, work));
}

async function large(store: BlobStore, size: number): Promise<void> {
  // What a first use takes is no growth.
  const small = await store.put(digestOfGenerated(0, 1 << 20), generated(0, 1 << 20));
  await store.delete(small.key);
  const before = process.memoryUsage.rss();
  let most = before;
  const measure = () => {
    most = Math.max(most, process.memoryUsage.rss());
  };
  async function* measured(seed: number): AsyncGenerator<Uint8Array> {
    for await (const chunk of generated(seed, size)) {
      measure();
      yield chunk;
    }
  }

  const digest = digestOfGenerated(1, size);
  const put = await store.put(digest, measured(1));
  await readBack(put);
  const id = randomUUID();
  await store.createUpload(id, { repository: 'large/upload', projectId: 1, startedBy: 'user:test' });
  await store.appendToUpload(id, 0, measured(2));
  await readBack(await store.finishUpload(id, digestOfGenerated(2, size)));
  tell({ kind: 'grown', bytes: most - before });

  async function readBack(blob: StoredBlob): Promise<void> {
    const hash = createHash('sha256');
    for await (const chunk of await store.open(blob.key)) {
      measure();
      hash.update(chunk);
    }
    if (digestFrom('sha256', hash.digest('hex')) !== blob.digest)
      throw new Error(`${blob.key} reads otherwise`);
    tell({ kind: 'stored', blob });
    await store.delete(blob.key);
  }
}

if (import.meta.main) {
  const [settings, task] = process.argv.slice(2).map((text) => JSON.parse(text)) as [StoreSettings, Task];
  const store = await openStore(settings);
  if (task.kind === 'churn') await churn(store, task.firstSeed, task.maxSize);
  else await large(store, task.size);
  await store.close();
}
