import type { BlobStore } from '../../infra/blob-store/port.ts';
import { wholeRange } from './ranges.ts';

/** A larger manifest is read from the store each time; bytes. */
const largestEntry = 1024 * 1024;

/**
 * Reads manifests, and keeps up to `capacity` bytes of those that were read last. Nothing here can be out of date,
 * since the bytes under a key never change; whether a manifest is still there is for the caller to know.
 */
export function manifestReader(
  store: Pick<BlobStore, 'open'>,
  capacity = 32 * 1024 * 1024,
): (manifest: { readonly key: string; readonly size: number }) => Promise<Buffer> {
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

  return async ({ key, size }) => {
    const kept = entries.get(key);
    if (kept !== undefined) {
      entries.delete(key);
      entries.set(key, kept);
      return kept;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of await store.open(key, wholeRange(size))) chunks.push(chunk);
    const read = Buffer.concat(chunks);
    // In memory of its own: what `concat` returns may hold a slab of Node's pool that is much larger than itself.
    const bytes = Buffer.allocUnsafeSlow(read.length);
    read.copy(bytes);
    keep(key, bytes);
    return bytes;
  };
}
