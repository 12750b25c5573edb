import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { StoreUnavailable } from '../../../infra/blob-store/port.ts';
import { RequestRefused } from '../../errors.ts';
import { badRequest, notFound } from '../faults.ts';
import { readAll } from './stored-content.ts';

/** A file of an archive that is shown has at most so many bytes. */
export const maxFileBytes = 1024 * 1024;
/** Unpacked bytes that are looked at to find a file: tools write what is to be shown ahead of all else. */
const maxUnpackedBytes = 32 * 1024 * 1024;
/** A store that hangs must not keep others from their turns. */
const maxMs = 30_000;
/** Archives that are unpacked at once: each of them keeps a core busy. */
const atOnce = 2;

const busy = () =>
  new RequestRefused({
    status: 503,
    code: 'UNAVAILABLE',
    message: 'too many archives are being read',
    headers: { 'retry-after': '5' },
  });

export interface Archive {
  /** The packed bytes; they are not read to their end where the file comes before. */
  open(): Promise<Readable>;
  readonly isGzipped: boolean;
  /** Whether it is the file of this path, which has no `./` at its beginning. */
  isWanted(path: string): boolean;
}

/**
 * Finds a file in a tar archive, of which it holds no more than the file in memory. Files of large archives are looked
 * for in turn. @throws RequestRefused 400 for a file or an archive that is too large, 404 for what is no archive or does
 * not have the file.
 */
export function archiveReader(): (archive: Archive) => Promise<Buffer> {
  const inTurn = turns(atOnce);
  return (archive) => inTurn(async () => fileOf(await archive.open(), archive));
}

async function fileOf(packed: Readable, { isGzipped, isWanted }: Omit<Archive, 'open'>): Promise<Buffer> {
  const timeout = AbortSignal.timeout(maxMs);
  let fault: unknown;
  packed.once('error', (error) => {
    fault ??= error;
  });
  const entries = extract();
  const feeding = pipeline(
    packed,
    isGzipped ? createGunzip() : new PassThrough(),
    (chunks) => bounded(chunks as AsyncIterable<Uint8Array>),
    entries,
    { signal: timeout },
  ).catch((error: unknown) => {
    // Also when it is stopped, since the file was found.
    fault ??= error;
  });
  try {
    for await (const entry of entries) {
      const { name, type } = entry.header;
      const isFile = type === 'file' || type === 'contiguous-file';
      if (isFile && isWanted(name.replace(/^(?:\.\/)+/, '')))
        return await readAll(entry as AsyncIterable<Uint8Array>, maxFileBytes);
      entry.resume();
    }
  } catch (error) {
    if (timeout.aborted) throw new StoreUnavailable('the archive came too slowly', { cause: error });
    throw refusalFor(error instanceof RequestRefused ? error : (fault ?? error));
  } finally {
    entries.destroy();
    packed.destroy();
    await feeding;
  }
  throw notFound('the file is not in the archive');
}

/** What the store says, and what is said here, is said as it is; all else is about the bytes. */
function refusalFor(error: unknown): unknown {
  if (error instanceof RequestRefused || error instanceof StoreUnavailable) return error;
  return notFound('the archive cannot be read');
}

async function* bounded(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxUnpackedBytes)
      throw badRequest(`the file is not among the first ${maxUnpackedBytes} bytes of the archive`);
    yield chunk;
  }
}

/** Who waits longer than for so many others asks again. */
const maxWaiting = 20;

/** Lets so many run at once, and the others in the order in which they came. @throws RequestRefused 503 */
function turns(limit: number): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let free = limit;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else if (waiting.length >= maxWaiting) throw busy();
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
