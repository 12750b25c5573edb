import { isHeld, isSound, type MountBlob, mounting } from '../domain/blob/decider.ts';
import { blobStream } from '../domain/blob/events.ts';
import type { Metadata } from '../domain/event.ts';
import { decision, type Recorder } from './record.ts';

/**
 * Makes a repository hold a blob that another one holds; whether the caller may read it there is for him to know.
 * Resolves to the log's position, or to undefined where there is nothing to mount.
 */
export const mountBlob =
  ({ record }: { readonly record: Recorder }) =>
  async (mount: MountBlob, metadata: Metadata): Promise<bigint | undefined> => {
    const { position, states } = await record(
      metadata,
      decision(blobStream(mount.digest), mounting(mount), mount),
    );
    const [blob] = states;
    // Damaged bytes have to be uploaded again, also where both repositories hold the blob.
    const isMounted = isSound(blob) && isHeld(blob, mount.repository) && isHeld(blob, mount.from);
    return isMounted ? position : undefined;
  };
