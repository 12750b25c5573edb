import { createHash, randomUUID } from 'node:crypto';
import {
  access,
  constants,
  type FileHandle,
  lstat,
  open,
  readdir,
  rename,
  rmdir,
  unlink,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { algorithmOf, type Digest, digestFrom } from '../../domain/digest.ts';
import { blobFiles, pathOfBlob } from './blob-files.ts';
import {
  createNew,
  diskFailure,
  fileMode,
  hasCode,
  ifThere,
  makeDirectory,
  makeDurableDirectory,
  onDisk,
  pour,
  readOnly,
  readWrite,
  syncDirectory,
  syncOrTruncate,
} from './durable-files.ts';
import { finishedFiles } from './finished-files.ts';
import { hashStates } from './hash-states.ts';
import { heartbeatMs, whileBeating } from './heartbeat.ts';
import { isUploadId, keyOf } from './key.ts';
import { oneWriter } from './one-writer.ts';
import {
  type BlobStore,
  DigestMismatch,
  OffsetMismatch,
  type StoredBlob,
  type Upload,
  type UploadAttributes,
  UploadExists,
  UploadNotFound,
} from './port.ts';
import { digestOf, entriesOf, readAll, readAttributes, writeAttributes } from './stored-files.ts';
import { transferMemory } from './transfer-memory.ts';

export interface FilesystemSettings {
  /** Made when it is missing. Several processes may share it. */
  readonly directory: string;
  /** How often a running request marks its upload as alive, in milliseconds. */
  readonly heartbeatMs?: number;
}

const attributesName = 'upload.json';
/** Of what a crashed put leaves behind, and of an upload that died before it was announced. */
const unknownAttributes: UploadAttributes = { repository: '', projectId: 0, startedBy: 'system' };

/**
 * Blobs in `blobs/<key>`, uploads in `uploads/<id>/`. The bytes of an upload are in `data-<store>` while only one
 * open store has ever written to them, and in `data-shared` since a second one did. A store opens for writing only
 * these two, so it knows that nobody else can hold a file of its own name open: such a file becomes the blob by a
 * rename, and a shared one by a copy, which no late write of another process can reach.
 */
export async function openFilesystemStore(settings: FilesystemSettings): Promise<BlobStore> {
  const { heartbeatMs: beatEveryMs = heartbeatMs } = settings;
  const root = resolve(settings.directory);
  const blobs = join(root, 'blobs');
  const uploads = join(root, 'uploads');
  const ownName = `data-${randomUUID()}`;
  const sharedName = 'data-shared';
  const hashes = hashStates();
  const memory = transferMemory();
  const alone = oneWriter();
  /** Directories that are never removed and whose names this process has synced. */
  const settled = new Set<string>();

  await onDisk(async () => {
    await makeDurableDirectory(blobs);
    await makeDurableDirectory(uploads);
  });
  const finished = await finishedFiles(root);

  async function settle(path: string): Promise<void> {
    if (settled.has(path)) return;
    await makeDirectory(path);
    await syncDirectory(dirname(path));
    settled.add(path);
  }

  function folderOf(id: string): string {
    if (!isUploadId(id)) throw new UploadNotFound(`there is no upload ${id}`);
    return join(uploads, id);
  }

  /** The name of the file that holds the upload's bytes; it has none from the moment that it became a blob. */
  async function dataOf(id: string): Promise<string> {
    const names = (await ifThere(readdir(folderOf(id)))) ?? [];
    const name = names.find((each) => each === ownName) ?? names.find((each) => each.startsWith('data-'));
    if (name === undefined) throw new UploadNotFound(`there is no upload ${id}`);
    return name;
  }

  /** Opens the upload's bytes; when another store began them, they are marked as shared first. */
  async function openData(id: string, flags: number): Promise<{ handle: FileHandle; name: string }> {
    for (;;) {
      let name = await dataOf(id);
      if (name !== ownName && name !== sharedName) {
        await ifThere(rename(join(folderOf(id), name), join(folderOf(id), sharedName)));
        name = sharedName;
      }
      const handle = await ifThere(open(join(folderOf(id), name), flags));
      // Without it another process renamed the file just now, and the next look finds its new name, or none.
      if (handle) return { handle, name };
    }
  }

  /** Gives the file `from` its place; false when another process took `from` away before. */
  async function moveIn(from: string, key: string): Promise<boolean> {
    const target = pathOfBlob(blobs, key);
    const hexFolder = dirname(target);
    const fanFolder = dirname(hexFolder);
    for (let attempt = 1; ; attempt++) {
      await settle(dirname(fanFolder));
      await settle(fanFolder);
      try {
        await makeDirectory(hexFolder);
        await rename(from, target);
        break;
      } catch (error) {
        if (!hasCode(error, 'ENOENT') || attempt === 100) throw error;
        if ((await ifThere(lstat(from))) === undefined) return false;
        // A delete removes the directory that it emptied, maybe just before the rename.
      }
    }
    await Promise.all([syncDirectory(hexFolder), syncDirectory(fanFolder)]);
    return true;
  }

  /** Removes the upload's directory, and first of all its bytes. */
  async function discard(id: string): Promise<void> {
    const folder = folderOf(id);
    hashes.drop(id);
    for (let attempt = 1; ; attempt++) {
      const names = (await ifThere(readdir(folder))) ?? [];
      await Promise.all(names.map((name) => ifThere(unlink(join(folder, name)))));
      try {
        return await ifThere(rmdir(folder));
      } catch (error) {
        // Another process that is finishing the upload began its copy just now, and will miss it.
        if (!hasCode(error, 'ENOTEMPTY', 'EEXIST') || attempt === 100) throw error;
      }
    }
  }

  /** As `discard`, once the blob is safe: what stays behind is swept like any abandoned upload. */
  async function leave(id: string): Promise<void> {
    try {
      await discard(id);
    } catch (error) {
      if (!(error instanceof Error && 'errno' in error)) throw error;
    }
  }

  async function describe(id: string): Promise<Upload> {
    const folder = folderOf(id);
    const attributes = (await readAttributes(join(folder, attributesName))) ?? unknownAttributes;
    const handle = await ifThere(open(join(folder, await dataOf(id)), readOnly));
    // Another process renamed it, which happens once in an upload's life, or it is a blob now.
    if (handle === undefined) return describe(id);
    try {
      // In this order, since a running append may make the file longer in between.
      const { size, mtime } = await handle.stat();
      await handle.sync();
      return { ...attributes, id, size, lastActivityAt: mtime };
    } finally {
      await handle.close();
    }
  }

  /** As `describe`, and also for the remains of a finished or never announced upload, so that they are swept. */
  async function describeRemains(id: string): Promise<Upload | undefined> {
    try {
      return await describe(id);
    } catch (error) {
      if (!(error instanceof UploadNotFound)) throw error;
      const folder = await ifThere(lstat(folderOf(id)));
      return folder && { ...unknownAttributes, id, size: 0, lastActivityAt: folder.mtime };
    }
  }

  /** Says to the sweeps of all processes that somebody is at work on the file. */
  const touch = (handle: FileHandle) => handle.utimes(new Date(), new Date());
  const whileTouching = <Result>(handle: FileHandle, work: () => Promise<Result>) =>
    whileBeating(beatEveryMs, () => touch(handle), work);

  async function finishOwn(id: string, digest: Digest, handle: FileHandle): Promise<StoredBlob | undefined> {
    const { size } = await handle.stat();
    const kept = hashes.take(id, String(size));
    const known = kept && algorithmOf(digest) === 'sha256';
    const actual = known ? digestFrom('sha256', kept.digest('hex')) : await digestOf(handle, size, digest);
    if (actual !== digest) {
      await discard(id);
      throw new DigestMismatch(digest, actual);
    }
    // A kept state says that the append which ended at this size has synced.
    if (!kept) await handle.sync();
    const key = keyOf(digest);
    if (!(await moveIn(join(folderOf(id), ownName), key))) return undefined;
    await leave(id);
    return { digest, size, key };
  }

  async function finishShared(id: string, digest: Digest, handle: FileHandle): Promise<StoredBlob> {
    const path = join(folderOf(id), `copy-${randomUUID()}`);
    const { size } = await handle.stat();
    const copy = await ifThere(open(path, createNew, fileMode));
    if (copy === undefined)
      throw new UploadNotFound(`another process finished or cancelled the upload ${id}`);
    try {
      const hash = createHash(algorithmOf(digest));
      const { failure } = await pour(readAll(handle, size), copy, 0, hash, memory);
      if (failure) throw failure.error;
      const actual = digestFrom(algorithmOf(digest), hash.digest('hex'));
      if (actual !== digest) {
        await discard(id);
        throw new DigestMismatch(digest, actual);
      }
      await copy.sync();
      const key = keyOf(digest);
      if (!(await moveIn(path, key))) throw new UploadNotFound(`the upload ${id} was cancelled`);
      await leave(id);
      return { digest, size, key };
    } finally {
      await copy.close();
      await ifThere(unlink(path));
    }
  }

  return {
    product: 'filesystem',

    check: () =>
      onDisk(async () => {
        for (const folder of [blobs, uploads]) await access(folder, constants.W_OK | constants.X_OK);
      }),

    ...blobFiles(blobs, memory),
    ...finished,

    createUpload: (id, attributes) =>
      alone(id, () =>
        onDisk(async () => {
          if (!isUploadId(id)) throw new TypeError(`${id} is not a UUID in lower case`);
          const folder = folderOf(id);
          if (!(await makeDirectory(folder))) throw new UploadExists(`there is an upload ${id} already`);
          try {
            const data = await open(join(folder, ownName), createNew, fileMode);
            await data.close();
            await writeAttributes(join(folder, attributesName), attributes);
            await Promise.all([syncDirectory(folder), syncDirectory(uploads)]);
          } catch (error) {
            await leave(id);
            throw error;
          }
        }),
      ),

    findUpload: (id) => onDisk(() => describe(id)),

    async appendToUpload(id, offset, source) {
      const { size, failure } = await alone(id, () =>
        onDisk(async () => {
          const { handle, name } = await openData(id, readWrite);
          try {
            const before = await handle.stat();
            if (before.size !== offset) throw new OffsetMismatch(before.size);
            const kept = hashes.take(id, String(offset));
            const hash = kept ?? (offset === 0 ? createHash('sha256') : undefined);
            if (Date.now() - before.mtimeMs > beatEveryMs) await touch(handle);
            const poured = await whileTouching(handle, () => pour(source, handle, offset, hash, memory));
            await syncOrTruncate(handle, offset);
            if (hash && name === ownName) hashes.keep(id, String(poured.size), hash);
            return poured;
          } finally {
            await handle.close();
          }
        }),
      );
      if (failure) throw failure.error;
      return size;
    },

    finishUpload: (id, digest) =>
      alone(id, () =>
        onDisk(async () => {
          for (;;) {
            const { handle, name } = await openData(id, readOnly);
            try {
              await touch(handle);
              const stored = await whileTouching(handle, () =>
                name === ownName ? finishOwn(id, digest, handle) : finishShared(id, digest, handle),
              );
              if (stored) return stored;
              // Another process began to write to it, or cancelled it.
            } finally {
              await handle.close();
            }
          }
        }),
      ),

    cancelUpload: (id) =>
      alone(id, () =>
        onDisk(async () => {
          if ((await ifThere(lstat(folderOf(id)))) === undefined)
            throw new UploadNotFound(`there is no upload ${id}`);
          await discard(id);
        }),
      ),

    expireUpload: (id, idleSince) =>
      alone(id, () =>
        onDisk(async () => {
          const upload = await describeRemains(id);
          if (upload === undefined) throw new UploadNotFound(`there is no upload ${id}`);
          if (upload.lastActivityAt > idleSince) return false;
          await discard(id);
          return true;
        }),
      ),

    async *listUploads() {
      try {
        for await (const entry of entriesOf(uploads)) {
          const upload =
            isUploadId(entry.name) && entry.isDirectory() ? await describeRemains(entry.name) : undefined;
          if (upload) yield upload;
        }
      } catch (error) {
        throw diskFailure(error);
      }
    },

    async put(digest, source) {
      // An upload without a name: after a crash it is swept as one.
      const id = randomUUID();
      const path = join(folderOf(id), ownName);
      const outcome = await alone(id, () =>
        onDisk(async () => {
          await makeDirectory(folderOf(id));
          try {
            const handle = await open(path, createNew, fileMode);
            try {
              const hash = createHash(algorithmOf(digest));
              const { size, failure } = await whileTouching(handle, () =>
                pour(source, handle, 0, hash, memory),
              );
              if (failure) return { failure };
              const actual = digestFrom(algorithmOf(digest), hash.digest('hex'));
              if (actual !== digest) throw new DigestMismatch(digest, actual);
              await handle.sync();
              const key = keyOf(digest);
              if (!(await moveIn(path, key))) throw new UploadNotFound(`the upload ${id} was cancelled`);
              return { stored: { digest, size, key } };
            } finally {
              await handle.close();
            }
          } finally {
            await leave(id);
          }
        }),
      );
      if (outcome.failure) throw outcome.failure.error;
      return outcome.stored;
    },

    async close() {
      settled.clear();
    },
  };
}
