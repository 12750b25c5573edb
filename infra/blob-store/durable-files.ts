import type { Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { feed, type SourceFailure } from './feed.ts';
import { StoreFull, StoreUnavailable } from './port.ts';
import type { TransferMemory } from './transfer-memory.ts';

/** The most chunks that one write takes. */
const batchChunks = 256;

/** Refuses a symbolic link, and does not wait for the writer of a pipe that somebody put in a blob's place. */
export const readOnly = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
export const readWrite = constants.O_RDWR | constants.O_NOFOLLOW;
export const createNew = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
/** Modes: what is stored is read through Shiplog alone. */
export const fileMode = 0o600;
export const directoryMode = 0o700;

export const hasCode = (error: unknown, ...codes: string[]): boolean =>
  codes.includes((error as NodeJS.ErrnoException | undefined)?.code ?? '');

/** Turns an error of the operating system into the port's; any other error stays as it is. */
export function diskFailure(cause: unknown): unknown {
  if (hasCode(cause, 'ENOSPC', 'EDQUOT')) return new StoreFull('the disk or its quota is full', { cause });
  if (cause instanceof Error && 'errno' in cause)
    return new StoreUnavailable(`the disk failed: ${cause.message}`, { cause });
  return cause;
}

/** Runs `work`, all of whose errors with an `errno` are the disk's. */
export async function onDisk<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw diskFailure(error);
  }
}

/** Resolves to the result of `work`, or to undefined where one of the names it used is gone. */
export async function ifThere<Result>(work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Makes the names in the directory `path` durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the directory `path`; resolves to whether it was missing. */
export async function makeDirectory(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: directoryMode });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Makes the directory `path` and those above it, each with a durable name. */
export async function makeDurableDirectory(path: string): Promise<void> {
  try {
    await makeDirectory(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    await makeDurableDirectory(dirname(path));
    await makeDirectory(path);
  }
  // Also where it was there: whoever made it may not have come this far.
  await syncDirectory(dirname(path));
}

/** How far a source got: the file's size, and the source's failure if it had one. */
export interface Poured {
  readonly size: number;
  readonly failure: SourceFailure | undefined;
}

/**
 * Writes `source` to the file from byte `offset` on and updates `hash`, not synced. Collects the next batch while one
 * is being written, so that hashing and writing overlap; holds two batches at most. A chunk must not be changed after
 * it was yielded.
 */
export async function pour(
  source: AsyncIterable<Uint8Array>,
  handle: FileHandle,
  offset: number,
  hash: Hash | undefined,
  memory: TransferMemory,
): Promise<Poured> {
  let position = offset;
  let batch: Uint8Array[] = [];
  let batched = 0;
  let writing: Promise<unknown> | undefined;
  const leave = memory.writes.join();

  const written = async () => {
    const error = await writing;
    if (error !== undefined) throw error;
  };
  const write = async () => {
    await written();
    // Settles to its error: while the source is slow nobody is there to catch it.
    writing = writeAll(handle, batch, position).then(
      () => undefined,
      (error: unknown) => error,
    );
    position += batched;
    memory.passed(batched);
    batch = [];
    batched = 0;
  };

  try {
    const failure = await feed(source, (chunk) => {
      if (chunk.length === 0) return;
      hash?.update(chunk);
      batch.push(chunk);
      batched += chunk.length;
      return batched >= memory.writes.part() || batch.length >= batchChunks ? write() : undefined;
    });
    await write();
    await written();
    return { size: position, failure };
  } finally {
    leave();
    // The caller closes or truncates the file next.
    await writing;
  }
}

async function writeAll(handle: FileHandle, chunks: readonly Uint8Array[], offset: number): Promise<void> {
  let position = offset;
  let rest = chunks;
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest, position);
    if (bytesWritten === 0) throw new StoreUnavailable('the disk takes no bytes');
    position += bytesWritten;
    rest = after(rest, bytesWritten);
  }
}

function after(chunks: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let left = written;
  for (const [index, chunk] of chunks.entries()) {
    if (left < chunk.length) return [chunk.subarray(left), ...chunks.slice(index + 1)];
    left -= chunk.length;
  }
  return [];
}

/**
 * The bytes from `start` up to but not including `end`, read as they are pulled. Closes the file when it ends or is
 * destroyed; fails with `StoreUnavailable` when the file is shorter than `end`.
 */
export function readFile(handle: FileHandle, start: number, end: number, memory: TransferMemory): Readable {
  let position = start;
  const leave = memory.reads.join();
  return new Readable({
    // One read at a time: the next begins when the reader has taken this one.
    highWaterMark: 1,
    read() {
      if (position >= end) {
        this.push(null);
        return;
      }
      const length = Math.min(memory.reads.part(), end - position);
      handle.read(Buffer.allocUnsafeSlow(length), 0, length, position).then(
        ({ bytesRead, buffer }) => {
          if (bytesRead === 0) {
            this.destroy(new StoreUnavailable(`the file ends at byte ${position}, not at ${end}`));
            return;
          }
          position += bytesRead;
          memory.passed(bytesRead);
          this.push(buffer.subarray(0, bytesRead));
        },
        (error: unknown) => this.destroy(diskFailure(error) as Error),
      );
    },
    destroy(error, done) {
      leave();
      handle.close().then(
        () => done(error),
        (failed: unknown) => done(error ?? (diskFailure(failed) as Error)),
      );
    },
  });
}

/**
 * Cuts the file back when its new bytes can not be synced: the kernel drops them then, and would call the next sync
 * of the same bytes a success.
 */
export async function syncOrTruncate(handle: FileHandle, durableSize: number): Promise<void> {
  try {
    await handle.sync();
  } catch (error) {
    await handle.truncate(durableSize);
    throw error;
  }
}
