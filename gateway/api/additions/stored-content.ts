import type { Readable } from 'node:stream';
import type { Digest } from '../../../domain/digest.ts';
import { BlobNotFound, type BlobStore } from '../../../infra/blob-store/port.ts';
import { wholeRange } from '../../oci/ranges.ts';
import { badRequest, notFound } from '../faults.ts';

export interface ContentPorts {
  readonly store: Pick<BlobStore, 'open' | 'size'>;
  /** A blob that the repository holds, with sound bytes. */
  findBlob(repository: string, digest: Digest): Promise<StoredContent | undefined>;
}

export interface StoredContent {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** The blob store's key of the bytes. */
  readonly key: string;
}

/** A config is read whole, and so is a manifest, which is never larger; bytes. */
export const maxDocumentBytes = 4 * 1024 * 1024;

/** @throws RequestRefused 404 */
export async function blobIn(
  { findBlob }: ContentPorts,
  repository: string,
  { digest }: { readonly digest: Digest },
): Promise<StoredContent> {
  return (await findBlob(repository, digest)) ?? missing(digest);
}

/** @throws RequestRefused 404 where the bytes are not there, 400 where there are more than `limit`. */
export async function readStored(
  { store }: ContentPorts,
  { digest, key, size }: StoredContent,
  limit: number,
): Promise<Buffer> {
  if (size > limit) throw tooLarge(limit);
  return absentAs(digest, async () => readAll(await store.open(key, wholeRange(size)), limit));
}

/** For who sends it on as it is. @throws RequestRefused 404 where the bytes are not there. */
export const openStored = (
  { store }: ContentPorts,
  { digest, key, size }: StoredContent,
): Promise<Readable> =>
  absentAs(digest, async () => {
    // To open is to promise nothing, and an answer that has begun cannot become another.
    await store.size(key);
    return store.open(key, wholeRange(size));
  });

/** All of `source`. @throws RequestRefused 400 as soon as it has more than `limit` bytes. */
export async function readAll(source: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function absentAs<Result>(digest: Digest, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BlobNotFound) return missing(digest);
    throw error;
  }
}

function missing(digest: Digest): never {
  throw notFound(`the content ${digest} of the artifact not found`);
}

const tooLarge = (limit: number) => badRequest(`what has more than ${limit} bytes is not shown`);
