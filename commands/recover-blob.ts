import { type Blob, isHeld, type StoreBlob, storing } from '../domain/blob/decider.ts';
import { type BlobEvent, blobStream } from '../domain/blob/events.ts';
import type { Decider } from '../domain/decider.ts';
import type { Metadata } from '../domain/event.ts';
import { decision, type Recorder } from './record.ts';

interface Recovery {
  readonly blob: Blob;
  /** Whether the bytes under the key in question were recorded before, whatever became of them. */
  readonly recorded: boolean;
}

function recovering({ repository, key }: StoreBlob): Decider<Recovery, StoreBlob, BlobEvent> {
  const { initial, decide, evolve } = storing(repository);
  return {
    initial: { blob: initial, recorded: false },
    // Bytes that were recorded and do not count any more are being deleted, if they are there at all.
    decide: ({ blob, recorded }, command) => (recorded && blob.key !== key ? [] : decide(blob, command)),
    evolve: ({ blob, recorded }, event) => ({
      blob: evolve(blob, event),
      recorded: recorded || (event.type === 'BlobStored' && event.data.key === key),
    }),
  };
}

/**
 * Records the blob of an upload that was finished without anybody knowing whether it was recorded. Resolves to the log's
 * position, or to undefined where the repository held it once and does not any more.
 */
export const recoverBlob =
  ({ record }: { readonly record: Recorder }) =>
  async (blob: StoreBlob, metadata: Metadata): Promise<bigint | undefined> => {
    const recovered = decision(blobStream(blob.digest), recovering(blob), blob);
    const { position, states } = await record(metadata, recovered);
    return isHeld(states[0].blob, blob.repository) ? position : undefined;
  };
