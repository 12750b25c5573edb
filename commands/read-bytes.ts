import type { BlobStore } from '../infra/blob-store/port.ts';

/** The bytes under `key`, undefined where there are more than `maxBytes`. @throws BlobNotFound */
export async function readBytes(
  store: Pick<BlobStore, 'open'>,
  key: string,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of await store.open(key)) {
    chunks.push(chunk);
    size += chunk.length;
    // Damaged bytes may be more than they were.
    if (size > maxBytes) return undefined;
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
