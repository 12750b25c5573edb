import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type BlobStore, type StoredBlob, UploadNotFound } from '../../infra/blob-store/port.ts';
import { digestOfGenerated, generated } from '../generated-bytes.ts';
import { openStore, type Step, type StoreSettings, sizeOfSeed, type Task } from './blob-store-child.ts';

const childProgram = fileURLToPath(new URL('blob-store-child.ts', import.meta.url));
const churnMaxBytes = 11 * 1024 * 1024;

function startChild(t: TestContext, settings: StoreSettings, task: Task): ChildProcess {
  const child = spawn(process.execPath, [childProgram, JSON.stringify(settings), JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

async function* stepsOf(child: ChildProcess): AsyncGenerator<Step> {
  assert.ok(child.stdout);
  // A line that the kill cut off was not told.
  for await (const line of createInterface(child.stdout))
    if (line.endsWith('}')) yield JSON.parse(line) as Step;
}

/** Lets a process store blobs, kills it after some steps, and looks at what a new one finds; several times. */
export async function surviveKills(
  t: TestContext,
  store: BlobStore,
  settings: StoreSettings,
  rounds: number,
): Promise<void> {
  const stored: StoredBlob[] = [];
  for (let round = 0; round < rounds; round++) {
    const child = startChild(t, settings, {
      kind: 'churn',
      firstSeed: 1 + round * 10_000,
      maxSize: churnMaxBytes,
    });
    const exit = once(child, 'exit');
    const appended = new Map<string, number>();
    // Six tasks at once are at six different points at any of these moments.
    let steps = 3 + Math.floor(Math.random() * 40);
    t.diagnostic(`round ${round}: killed after ${steps} steps`);
    for await (const step of stepsOf(child)) {
      if (step.kind === 'stored') stored.push(step.blob);
      if (step.kind === 'appended') appended.set(step.id, step.size);
      if (--steps === 0) child.kill('SIGKILL');
    }
    assert.deepEqual(await exit, [null, 'SIGKILL']);

    const reopened = await openStore(settings);
    await sweep(reopened, appended);
    await reopened.close();
  }

  const listed = new Set<string>();
  for await (const { key } of store.list()) {
    listed.add(key);
    await assertWhole(store, key);
  }
  for (const { key, size } of stored) {
    assert.ok(listed.has(key), `${key} was stored and is gone`);
    assert.equal(await store.size(key), size);
  }
}

/** Continues every second upload that the killed process left, and cancels the others and the remains of puts. */
async function sweep(store: BlobStore, appended: ReadonlyMap<string, number>): Promise<void> {
  const uploads: string[] = [];
  for await (const { id, repository } of store.listUploads()) {
    uploads.push(id);
    const seed = Number(/^churn\/(\d+)$/.exec(repository)?.[1] ?? Number.NaN);
    const upload = Number.isNaN(seed) ? undefined : await findIfOpen(store, id);
    if (upload === undefined) {
      await store.cancelUpload(id);
      continue;
    }
    assert.ok(upload.size >= (appended.get(id) ?? 0), 'bytes that were reported durable are gone');
    if (uploads.length % 2 === 0) {
      await store.cancelUpload(id);
      continue;
    }
    const size = sizeOfSeed(seed, churnMaxBytes);
    if (upload.size < size) await store.appendToUpload(id, upload.size, generated(seed, size, upload.size));
    const { key } = await store.finishUpload(id, digestOfGenerated(seed, size));
    await assertWhole(store, key);
  }
  for await (const { id } of store.listUploads()) assert.fail(`the upload ${id} is left`);
}

async function findIfOpen(store: BlobStore, id: string) {
  try {
    return await store.findUpload(id);
  } catch (error) {
    // It became a blob, and its remains wait to be swept.
    if (error instanceof UploadNotFound) return undefined;
    throw error;
  }
}

async function assertWhole(store: BlobStore, key: string): Promise<void> {
  const [algorithm, , hex] = key.split('/');
  const hash = createHash(algorithm ?? '');
  for await (const chunk of await store.open(key)) hash.update(chunk);
  assert.equal(hash.digest('hex'), hex);
}

/** Smaller ones would say nothing about memory. */
const leastBytes = 256 * 1024 * 1024;

/**
 * Stores and reads a blob of `wanted` bytes twice in a process of its own, which must not grow with it; a smaller one,
 * and it says so, where the disk has less room.
 */
export async function storeLarge(t: TestContext, settings: StoreSettings, wanted: number): Promise<void> {
  const { bavail, bsize } = await statfs(tmpdir());
  const size = Math.min(wanted, Math.floor((bavail * bsize) / 2.5));
  assert.ok(size >= leastBytes, `${tmpdir()} has no room for ${leastBytes} bytes`);
  if (size < wanted) t.diagnostic(`${tmpdir()} has room for ${size} bytes only`);
  const child = startChild(t, settings, { kind: 'large', size });
  const exit = once(child, 'exit');
  const steps: Step[] = [];
  for await (const step of stepsOf(child)) steps.push(step);
  assert.deepEqual(await exit, [0, null]);
  const sizes = steps.map((step) => step.kind === 'stored' && step.blob.size);
  assert.deepEqual(sizes, [size, size, false]);
  const grown = steps.at(-1);
  assert.ok(grown?.kind === 'grown');
  t.diagnostic(`grown by ${Math.round(grown.bytes / 1024 / 1024)} MiB`);
  // A good part of it is garbage that nobody had to collect yet; the blob itself would not fit.
  assert.ok(grown.bytes < 192 * 1024 * 1024, `grown by ${grown.bytes} bytes`);
}
