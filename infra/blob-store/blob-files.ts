import { type FileHandle, lstat, open, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { diskFailure, hasCode, ifThere, onDisk, readFile, readOnly } from './durable-files.ts';
import { parseKey } from './key.ts';
import { BlobNotFound, type BlobStore } from './port.ts';
import { keysBelow } from './stored-files.ts';
import type { TransferMemory } from './transfer-memory.ts';

/** @throws BlobNotFound for what is no key, which must not become part of a path. */
export function pathOfBlob(blobs: string, key: string): string {
  if (parseKey(key) === undefined) throw new BlobNotFound(`there is no blob ${key}`);
  return join(blobs, key);
}

/** What can be done with the blobs in the directory `blobs` once they are there. */
export const blobFiles = (
  blobs: string,
  memory: TransferMemory,
): Pick<BlobStore, 'open' | 'size' | 'delete' | 'list'> => ({
  open: (key, range) =>
    onDisk(async () => {
      const handle = await openBlob(pathOfBlob(blobs, key));
      if (handle === undefined) throw new BlobNotFound(`there is no blob ${key}`);
      try {
        const stat = await handle.stat();
        if (!stat.isFile()) throw new BlobNotFound(`${key} is not a file`);
        const [start, end] = range ? [range.start, range.end + 1] : [0, stat.size];
        return readFile(handle, start, end, memory);
      } catch (error) {
        await handle.close();
        throw error;
      }
    }),

  size: (key) =>
    onDisk(async () => {
      const stat = await ifThere(lstat(pathOfBlob(blobs, key)));
      if (!stat?.isFile()) throw new BlobNotFound(`there is no blob ${key}`);
      return stat.size;
    }),

  // Not synced: what comes back after a power cut is garbage like before, and is found by `list`.
  delete: (key) =>
    onDisk(async () => {
      if (parseKey(key) === undefined) return;
      await ifThere(unlink(pathOfBlob(blobs, key)));
      try {
        await ifThere(rmdir(dirname(pathOfBlob(blobs, key))));
      } catch (error) {
        if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
      }
    }),

  async *list() {
    try {
      for await (const path of keysBelow(blobs)) {
        const parsed = parseKey(path);
        if (parsed === undefined) continue;
        const stat = await ifThere(lstat(join(blobs, path)));
        // Not mtime, which is when an upload was last written to, maybe a day before it became a blob.
        if (stat?.isFile()) yield { key: path, digest: parsed.digest, storedAt: stat.ctime };
      }
    } catch (error) {
      throw diskFailure(error);
    }
  },
});

/** Undefined where nothing is, or a symbolic link, which leads out of the store. */
async function openBlob(path: string): Promise<FileHandle | undefined> {
  try {
    return await ifThere(open(path, readOnly));
  } catch (error) {
    if (hasCode(error, 'ELOOP')) return undefined;
    throw error;
  }
}
