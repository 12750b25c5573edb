import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { digestFrom } from '../domain/digest.ts';
import { storedReader } from '../gateway/oci/stored-bytes.ts';
import { openFilesystemStore } from '../infra/blob-store/filesystem.ts';
import { BlobNotFound, StoreUnavailable } from '../infra/blob-store/port.ts';

async function startStore(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'shiplog-test-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const store = await openFilesystemStore({ directory });
  t.after(() => store.close());
  const put = async (size: number) => {
    const bytes = randomBytes(size);
    const digest = digestFrom('sha256', createHash('sha256').update(bytes).digest('hex'));
    const { key } = await store.put(digest, Readable.from([bytes]));
    return { bytes, digest, key, size };
  };
  return { store, put };
}

test('a manifest is read from the store once, while there is room for it', async (t) => {
  const { store, put } = await startStore(t);
  const read = storedReader(store, 3000);
  const [first, second, third] = [await put(1000), await put(1000), await put(1000)];
  for (const each of [first, second, third]) assert.ok(each.bytes.equals(await read(each)));
  for (const { key } of [first, second, third]) await store.delete(key);

  for (const each of [second, third, first]) assert.ok(each.bytes.equals(await read(each)));
});

test('the manifest that was read longest ago makes room for another', async (t) => {
  const { store, put } = await startStore(t);
  const read = storedReader(store, 2000);
  const [first, second, third] = [await put(1000), await put(1000), await put(1000)];
  for (const each of [first, second, first, third]) await read(each);
  for (const { key } of [first, second, third]) await store.delete(key);

  assert.ok(first.bytes.equals(await read(first)));
  assert.ok(third.bytes.equals(await read(third)));
  await assert.rejects(read(second), BlobNotFound);
});

test('a manifest that would take all the room is not kept', async (t) => {
  const { store, put } = await startStore(t);
  const read = storedReader(store, 2000);
  const [small, large] = [await put(1000), await put(2001)];
  assert.ok(small.bytes.equals(await read(small)));
  assert.ok(large.bytes.equals(await read(large)));
  for (const { key } of [small, large]) await store.delete(key);

  assert.ok(small.bytes.equals(await read(small)));
  await assert.rejects(read(large), BlobNotFound);
});

test('a manifest whose bytes are cut short in the store is not served', async (t) => {
  const { store, put } = await startStore(t);
  const read = storedReader(store);
  const { digest, key, size } = await put(1000);
  await assert.rejects(read({ digest, key, size: size + 1 }), StoreUnavailable);
});
