import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { type FileHandle, open, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { algorithmOf, type Digest, digestFrom } from '../../domain/digest.ts';
import { createNew, fileMode, ifThere, readOnly } from './durable-files.ts';
import type { UploadAttributes } from './port.ts';

const readBytes = 1024 * 1024;

/** The first `size` bytes of the file, or all when it is shorter. */
export async function* readAll(handle: FileHandle, size: number): AsyncGenerator<Uint8Array> {
  for (let position = 0; position < size; ) {
    const length = Math.min(readBytes, size - position);
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafeSlow(length), 0, length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** The digest of the first `size` bytes, of the same algorithm as `like`. */
export async function digestOf(handle: FileHandle, size: number, like: Digest): Promise<Digest> {
  const hash = createHash(algorithmOf(like));
  for await (const chunk of readAll(handle, size)) hash.update(chunk);
  return digestFrom(algorithmOf(like), hash.digest('hex'));
}

export async function writeAttributes(
  path: string,
  { repository, projectId, startedBy }: UploadAttributes,
): Promise<void> {
  const handle = await open(path, createNew, fileMode);
  try {
    await handle.writeFile(JSON.stringify({ repository, projectId, startedBy }));
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Undefined where the file is missing, or cut short by a crash before the upload was announced. */
export async function readAttributes(path: string): Promise<UploadAttributes | undefined> {
  const handle = await ifThere(open(path, readOnly));
  if (handle === undefined) return undefined;
  try {
    const { repository, projectId, startedBy } = JSON.parse(
      await handle.readFile('utf8'),
    ) as UploadAttributes;
    return { repository, projectId, startedBy };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  } finally {
    await handle.close();
  }
}

/** What is in the directory `path`; nothing when it is gone. */
export async function* entriesOf(path: string): AsyncGenerator<Dirent> {
  const directory = await ifThere(opendir(path));
  if (directory) yield* directory;
}

/** The paths, relative to `root`, of what lies as deep as keys do. */
export async function* keysBelow(root: string, folders: readonly string[] = []): AsyncGenerator<string> {
  for await (const entry of entriesOf(join(root, ...folders))) {
    const path = [...folders, entry.name];
    if (path.length === 4) yield path.join('/');
    else if (entry.isDirectory()) yield* keysBelow(root, path);
  }
}
