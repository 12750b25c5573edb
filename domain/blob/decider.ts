import type { Decider } from '../decider.ts';
import type { Digest } from '../digest.ts';
import type { BlobEvent } from './events.ts';

/** Bytes that were just stored under `key`, uploaded to `repository`. */
export interface StoreBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly key: string;
  readonly repository: string;
}

export interface Blob {
  /** The key that counts; null before the first bytes. */
  readonly key: string | null;
  readonly repositories: ReadonlySet<string>;
}

/** Of two uploads of one digest the first one's key counts; the other's bytes are surplus. */
export const blobDecider: Decider<Blob, StoreBlob, BlobEvent> = {
  initial: { key: null, repositories: new Set() },

  decide(blob, { digest, size, key, repository }) {
    const events: BlobEvent[] = [];
    if (blob.key === null) events.push({ type: 'BlobStored', data: { digest, size, key } });
    if (!blob.repositories.has(repository)) events.push({ type: 'BlobLinked', data: { digest, repository } });
    return events;
  },

  evolve(blob, event) {
    switch (event.type) {
      case 'BlobStored':
        return { ...blob, key: event.data.key };
      case 'BlobLinked':
        return { ...blob, repositories: new Set(blob.repositories).add(event.data.repository) };
    }
  },
};
