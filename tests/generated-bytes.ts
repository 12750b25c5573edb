import { createCipheriv, createHash } from 'node:crypto';
import { type Digest, type DigestAlgorithm, digestFrom } from '../domain/digest.ts';

const chunkBytes = 64 * 1024;
const pool = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(4 << 20));

/**
 * The bytes from `from` up to `size` of an endless text that `seed` determines, in chunks that take no memory of
 * their own.
 */
export async function* generated(seed: number, size: number, from = 0): AsyncGenerator<Uint8Array> {
  yield* chunks(seed, size, from);
}

/** The same bytes at once. */
export const bytesOf = (seed: number, size: number): Buffer => Buffer.concat([...chunks(seed, size, 0)]);

export function digestOfGenerated(seed: number, size: number, algorithm: DigestAlgorithm = 'sha256'): Digest {
  const hash = createHash(algorithm);
  for (const chunk of chunks(seed, size, 0)) hash.update(chunk);
  return digestFrom(algorithm, hash.digest('hex'));
}

function* chunks(seed: number, size: number, from: number): Generator<Uint8Array> {
  for (let position = from; position < size; ) {
    const number = Math.floor(position / chunkBytes);
    const start = (seed * 7919 + number * 104_729) % (pool.length - chunkBytes);
    const skipped = position - number * chunkBytes;
    const length = Math.min(chunkBytes - skipped, size - position);
    yield pool.subarray(start + skipped, start + skipped + length);
    position += length;
  }
}
