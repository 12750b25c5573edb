import { createHash } from 'node:crypto';
import { algorithmOf, type Digest, digestFrom } from '../../domain/digest.ts';
import type { BlobStore } from '../../infra/blob-store/port.ts';
import type { ManifestCache } from '../../infra/manifest-cache/port.ts';
import { wholeRange } from './ranges.ts';

/** Anything larger is read from the store each time; bytes. */
const largestEntry = 1024 * 1024;

/** A manifest or a small blob. */
export interface Stored {
  readonly digest: Digest;
  readonly key: string;
  readonly size: number;
}

/**
 * Reads what is small, and keeps up to `capacity` bytes of those that were read last. Nothing here can be out of date,
 * since the bytes under a key never change; whether it is still there is for the caller to know.
 * @param shared is asked before the store, and told what the store had
 */
export function storedReader(
  store: Pick<BlobStore, 'open'>,
  capacity = 32 * 1024 * 1024,
  shared?: ManifestCache,
): (manifest: Stored) => Promise<Buffer> {
  /** Least recently used first. */
  const entries = new Map<string, Buffer>();
  let held = 0;

  function keep(key: string, bytes: Buffer): void {
    if (bytes.length > Math.min(largestEntry, capacity) || entries.has(key)) return;
    entries.set(key, bytes);
    held += bytes.length;
    for (const [oldest, { length }] of entries) {
      if (held <= capacity) return;
      entries.delete(oldest);
      held -= length;
    }
  }

  async function readStored({ key, size }: Stored): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of await store.open(key, wholeRange(size))) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async function readShared(manifest: Stored): Promise<Buffer | undefined> {
    if (shared === undefined || manifest.size > largestEntry) return undefined;
    const found = await shared.find(manifest.key);
    // Whoever can write there must not be able to say what is pulled here.
    if (found !== undefined && digestOf(found, manifest) === manifest.digest) return found;
    return undefined;
  }

  return async (manifest) => {
    const { key } = manifest;
    const kept = entries.get(key);
    if (kept !== undefined) {
      entries.delete(key);
      entries.set(key, kept);
      return kept;
    }
    const found = await readShared(manifest);
    const read = found ?? (await readStored(manifest));
    if (found === undefined && read.length <= largestEntry) shared?.keep(key, read);
    // In memory of its own: what `concat` returns may hold a slab of Node's pool that is much larger than itself.
    const bytes = Buffer.allocUnsafeSlow(read.length);
    read.copy(bytes);
    keep(key, bytes);
    return bytes;
  };
}

function digestOf(bytes: Buffer, { digest }: Stored): Digest {
  const algorithm = algorithmOf(digest);
  return digestFrom(algorithm, createHash(algorithm).update(bytes).digest('hex'));
}
