import { isHeld, isSound, type StoreBlob, storingOnce } from '../domain/blob/decider.ts';
import { blobStream } from '../domain/blob/events.ts';
import type { Metadata } from '../domain/event.ts';
import { decision, type Recorder } from './record.ts';

/**
 * Records the blob of an upload that was finished without anybody knowing whether it was recorded. Resolves to the log's
 * position, or to undefined where it was, and the repository does not hold it any more or its bytes are damaged.
 */
export const recoverBlob =
  ({ record }: { readonly record: Recorder }) =>
  async (blob: StoreBlob, metadata: Metadata): Promise<bigint | undefined> => {
    const recovered = decision(blobStream(blob.digest), storingOnce(blob), blob);
    const { position, states } = await record(metadata, recovered);
    const [{ blob: found }] = states;
    return isSound(found) && isHeld(found, blob.repository) ? position : undefined;
  };
