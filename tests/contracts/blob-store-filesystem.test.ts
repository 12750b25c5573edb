import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openFilesystemStore } from '../../infra/blob-store/filesystem.ts';
import { hashStates } from '../../infra/blob-store/hash-states.ts';
import {
  BlobNotFound,
  type BlobStore,
  StoreFull,
  StoreUnavailable,
  UploadNotFound,
} from '../../infra/blob-store/port.ts';
import { bytesOf, digestOfGenerated, generated } from '../generated-bytes.ts';
import {
  begin,
  blobStoreContract,
  collect,
  digestOf,
  inPieces,
  keysOf,
  read,
  type StoreUnderTest,
} from './blob-store.ts';
import { blobStoreExpiry } from './blob-store-expiry.ts';

const MiB = 1024 * 1024;

async function startFilesystem(t: TestContext): Promise<StoreUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'shiplog-blobs-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return {
    settings: { kind: 'filesystem', directory },
    kills: 12,
    largeBytes: 5 * 1024 ** 3,

    async plantStrays() {
      const hex = 'ab'.repeat(32);
      const random = '0'.repeat(32);
      for (const path of [
        `blobs/md5/ab/${hex}/${random}`,
        `blobs/sha256/cd/${hex}/${random}`,
        `blobs/sha256/ab/${hex.toUpperCase()}/${random}`,
        `blobs/sha256/ab/${hex.slice(1)}/${random}`,
        `blobs/sha256/ab/${hex}/${random}.tmp`,
        `blobs/sha256/ab/${hex}/${'1'.repeat(32)}/file`,
        `blobs/sha256/file`,
        'blobs/lost+found/file',
        'blobs/file',
        'uploads/file',
        'uploads/folder/data',
        `uploads/${randomUUID()}`,
      ]) {
        await mkdir(dirname(join(directory, path)), { recursive: true });
        await writeFile(join(directory, path), 'stray');
      }
      await symlink('/etc/passwd', join(directory, `blobs/sha256/ab/${hex}/${'2'.repeat(32)}`));
    },

    everything: () => everythingIn(directory),
  };
}

/** Files and the directories of uploads; the fan of blobs' directories stays. */
async function everythingIn(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory() || entry.parentPath === join(directory, 'uploads'))
    .map((entry) => join(entry.parentPath, entry.name));
}

blobStoreContract('filesystem', startFilesystem);
blobStoreExpiry('filesystem', startFilesystem);

test('filesystem: a store whose folders are gone says so', async (t) => {
  const { settings } = await startFilesystem(t);
  assert.ok('directory' in settings);
  const store = await openFilesystemStore(settings);
  t.after(() => store.close());
  await rm(join(settings.directory, 'uploads'), { recursive: true });
  await assert.rejects(store.check(), StoreUnavailable);
});

test('filesystem: what a crash cut short of the memory of an upload is nothing, and is forgotten', async (t) => {
  const { store, directory } = await open(t);
  const id = randomUUID();
  await writeFile(join(directory, 'finished', `${id}.json`), '{"id":"');
  await writeFile(join(directory, 'finished', 'stray'), '');
  assert.equal(await store.findFinished(id), undefined);
  assert.equal(await store.forgetFinished(new Date(Date.now() + 60_000)), 1);
  assert.deepEqual(await readdir(join(directory, 'finished')), ['stray']);
});

test('filesystem: there are no URLs of files', async (t) => {
  const { store } = await open(t);
  assert.equal(store.presign, undefined);
});

async function open(t: TestContext): Promise<{ store: BlobStore; directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'shiplog-blobs-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const store = await openFilesystemStore({ directory });
  t.after(() => store.close());
  return { store, directory };
}

test('filesystem: nobody but the owner can read what is stored', async (t) => {
  const { store, directory } = await open(t);
  await store.put(digestOfGenerated(1, 10), generated(1, 10));
  await store.appendToUpload(await begin(store), 0, generated(1, 10));
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const { mode } = await lstat(join(entry.parentPath, entry.name));
    assert.equal((mode & 0o777).toString(8), entry.isDirectory() ? '700' : '600', entry.name);
  }
});

test('filesystem: what is no file in the place of a blob is not opened', async (t) => {
  const { store, directory } = await open(t);
  const plant: Record<string, (path: string) => unknown> = {
    link: (path) => symlink('/etc/passwd', path),
    directory: (path) => mkdir(path),
    pipe: (path) => assert.equal(spawnSync('mkfifo', [path]).status, 0),
  };
  for (const [kind, put] of Object.entries(plant)) {
    const { key } = await store.put(digestOfGenerated(1, 10), generated(1, 10));
    await rm(join(directory, 'blobs', key));
    await put(join(directory, 'blobs', key));
    await assert.rejects(store.open(key), BlobNotFound, kind);
    await assert.rejects(store.size(key), BlobNotFound, kind);
    assert.deepEqual(await keysOf(store), [], kind);
  }
});

test('filesystem: a link in the place of an upload is not followed', async (t) => {
  const { store, directory } = await open(t);
  const id = await begin(store);
  const outside = join(directory, 'outside');
  await writeFile(outside, '');
  const folder = join(directory, 'uploads', id);
  const data = (await readdir(folder)).find((name) => name.startsWith('data-'));
  await rm(join(folder, data ?? ''));
  await symlink(outside, join(folder, data ?? ''));
  await assert.rejects(store.appendToUpload(id, 0, inPieces(Buffer.from('x'))), StoreUnavailable);
  await assert.rejects(store.findUpload(id), StoreUnavailable);
  assert.equal((await readFile(outside)).length, 0);
});

test('filesystem: a file that becomes shorter while it is read is an error of the stream', async (t) => {
  const { store, directory } = await open(t);
  const { key } = await store.put(digestOfGenerated(1, 4 * MiB), generated(1, 4 * MiB));
  const stream = await store.open(key);
  await truncate(join(directory, 'blobs', key), 2 * MiB);
  await assert.rejects(collect(stream), StoreUnavailable);
});

test('filesystem: remains of an upload that was never announced are listed and can be cancelled', async (t) => {
  const { store, directory } = await open(t);
  const [bare, torn] = [randomUUID(), randomUUID()];
  await mkdir(join(directory, 'uploads', bare));
  await mkdir(join(directory, 'uploads', torn));
  await writeFile(join(directory, 'uploads', torn, 'upload.json'), '{"repo');
  await writeFile(join(directory, 'uploads', torn, `data-${randomUUID()}`), 'abc');
  const listed = await collect(store.listUploads());
  assert.deepEqual(
    listed.map(({ id, size }) => [id, size]).sort(),
    [[bare, 0] as const, [torn, 3] as const].sort(),
  );
  await assert.rejects(store.findUpload(bare), UploadNotFound);
  for (const { id } of listed) await store.cancelUpload(id);
  assert.deepEqual(await everythingIn(directory), []);
});

test('filesystem: bytes of an upload that another hand changed do not become a blob', async (t) => {
  const { store, directory } = await open(t);
  const other = await openFilesystemStore({ directory });
  const id = await begin(store);
  await store.appendToUpload(id, 0, generated(1, 1000));
  await other.appendToUpload(id, 1000, generated(1, 2000, 1000));
  await writeFile(join(directory, 'uploads', id, 'data-shared'), bytesOf(2, 2000));
  await assert.rejects(store.finishUpload(id, digestOfGenerated(1, 2000)), { name: 'DigestMismatch' });
  assert.deepEqual(await everythingIn(directory), []);
});

test('filesystem: a kept hash is given back for the bytes that it covers alone, and the oldest goes first', () => {
  const states = hashStates(2);
  for (const id of ['a', 'b', 'c']) states.keep(id, '1', createHash('sha256').update(id));
  assert.equal(states.take('a', '1'), undefined);
  assert.equal(states.take('b', '2'), undefined);
  assert.equal(states.take('b', '1'), undefined);
  assert.ok(states.take('c', '1'));
});

/** A store on a small disk of its own; undefined after the test was skipped. */
async function openOnSmallDisk(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'shiplog-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,nr_inodes=100', 'tmpfs', directory]);
  t.after(async () => {
    if (mounted.status === 0) spawnSync('umount', ['-l', directory]);
    await rm(directory, { recursive: true, force: true });
  });
  if (mounted.status !== 0) {
    t.skip(`a small disk needs the right to mount one: ${mounted.stderr ?? mounted.error}`);
    return undefined;
  }
  const store = await openFilesystemStore({ directory });
  return { store, directory };
}

test('filesystem: an append to a full disk keeps what fitted, and goes on when there is space', async (t) => {
  const disk = await openOnSmallDisk(t);
  if (disk === undefined) return;
  const { store } = disk;
  const { key } = await store.put(digestOfGenerated(1, 4 * MiB), generated(1, 4 * MiB));
  const id = await begin(store);
  await store.appendToUpload(id, 0, generated(2, MiB));
  await assert.rejects(store.appendToUpload(id, MiB, generated(2, 6 * MiB, MiB)), StoreFull);
  const { size } = await store.findUpload(id);
  assert.ok(size >= MiB && size < 6 * MiB);
  await assert.rejects(store.appendToUpload(id, size, generated(2, 6 * MiB, size)), StoreFull);
  await store.delete(key);
  const { size: end } = await store.findUpload(id);
  await store.appendToUpload(id, end, generated(2, 6 * MiB, end));
  const stored = await store.finishUpload(id, digestOfGenerated(2, 6 * MiB));
  assert.equal(digestOf(await read(store, stored.key)), stored.digest);
});

test('filesystem: a put to a full disk leaves nothing, and works when there is space', async (t) => {
  const disk = await openOnSmallDisk(t);
  if (disk === undefined) return;
  const { store, directory } = disk;
  await assert.rejects(store.put(digestOfGenerated(1, 16 * MiB), generated(1, 16 * MiB)), StoreFull);
  assert.deepEqual(await everythingIn(directory), []);
  const stored = await store.put(digestOfGenerated(1, 6 * MiB), generated(1, 6 * MiB));
  assert.equal(digestOf(await read(store, stored.key)), stored.digest);
});

test('filesystem: an upload can not begin or end on a full disk, and both can when there is space', async (t) => {
  const disk = await openOnSmallDisk(t);
  if (disk === undefined) return;
  const { store, directory } = disk;
  const id = await begin(store);
  await store.appendToUpload(id, 0, generated(1, 1000));
  const fill = join(directory, 'fill');
  await mkdir(fill);
  for (let number = 0; ; number++) {
    try {
      await writeFile(join(fill, String(number)), '');
    } catch {
      break;
    }
  }
  await assert.rejects(store.finishUpload(id, digestOfGenerated(1, 1000)), StoreFull);
  await assert.rejects(begin(store), StoreFull);
  await assert.rejects(store.put(digestOfGenerated(2, 10), generated(2, 10)), StoreFull);
  assert.deepEqual(await keysOf(store), []);
  await rm(fill, { recursive: true });
  assert.equal((await collect(store.listUploads())).length, 1);
  const stored = await store.finishUpload(id, digestOfGenerated(1, 1000));
  assert.equal(digestOf(await read(store, stored.key)), stored.digest);
  await store.cancelUpload(await begin(store));
});

test('filesystem: a disk that takes no writes is unavailable, and still read', async (t) => {
  const disk = await openOnSmallDisk(t);
  if (disk === undefined) return;
  const { store, directory } = disk;
  const { key, digest } = await store.put(digestOfGenerated(1, 1000), generated(1, 1000));
  const id = await begin(store);
  assert.equal(spawnSync('mount', ['-o', 'remount,ro', directory]).status, 0);
  await assert.rejects(store.put(digest, generated(1, 1000)), StoreUnavailable);
  await assert.rejects(store.appendToUpload(id, 0, generated(1, 1000)), StoreUnavailable);
  await assert.rejects(begin(store), StoreUnavailable);
  await assert.rejects(store.delete(key), StoreUnavailable);
  assert.equal(digestOf(await read(store, key)), digest);
  assert.equal(spawnSync('mount', ['-o', 'remount,rw', directory]).status, 0);
  await store.appendToUpload(id, 0, generated(1, 1000));
  await store.delete(key);
});

test('filesystem: a directory that can not be made is an error at the start', async (t) => {
  const { directory } = await open(t);
  await writeFile(join(directory, 'file'), '');
  await assert.rejects(
    openFilesystemStore({ directory: join(directory, 'file', 'store') }),
    StoreUnavailable,
  );
});
