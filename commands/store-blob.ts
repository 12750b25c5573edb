import { type StoreBlob, storingOnce } from '../domain/blob/decider.ts';
import { blobStream } from '../domain/blob/events.ts';
import type { Metadata } from '../domain/event.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import { decision, type Recorder } from './record.ts';

/**
 * Records bytes that are durable in the blob store as a blob of the repository. Resolves to the log's position.
 *
 * Bytes first, event second: a crash between the two leaves bytes that nothing names, never a blob without bytes.
 * Where the digest was stored before, the earlier bytes count and these are dropped, after the log has confirmed it;
 * where the earlier ones are damaged, these count from now on and those are dropped.
 */
export const storeBlob =
  ({ record, store }: { readonly record: Recorder; readonly store: Pick<BlobStore, 'delete'> }) =>
  async (blob: StoreBlob, metadata: Metadata): Promise<bigint> => {
    // Once, since a repeated request may have recorded them meanwhile, on another gateway.
    const stored = decision(blobStream(blob.digest), storingOnce(blob), blob);
    const { position, states } = await record(metadata, stored);
    const { key, surplus } = states[0].blob;
    if (key !== blob.key) await store.delete(blob.key);
    else if (surplus !== null) await store.delete(surplus);
    return position;
  };
