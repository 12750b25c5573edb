import type { Blob } from '../domain/blob/decider.ts';
import { blobDecider } from '../domain/blob/decider.ts';
import { type BlobEvent, blobStream } from '../domain/blob/events.ts';
import type { Decider } from '../domain/decider.ts';
import type { Digest } from '../domain/digest.ts';
import type { Metadata } from '../domain/event.ts';
import { decision, type Recorder } from './record.ts';

export interface MountBlob {
  readonly digest: Digest;
  /** The repository that is to hold the blob as well. */
  readonly repository: string;
  /** The repository that holds it; the caller has made sure that the actor may read there. */
  readonly from?: string;
}

const mounting: Decider<Blob, MountBlob, BlobEvent> = {
  ...blobDecider,
  decide(blob, { digest, repository, from }) {
    if (!isHeldBy(blob, from) || blob.repositories.has(repository)) return [];
    return [{ type: 'BlobLinked', data: { digest, repository } }];
  },
};

/**
 * Lets `repository` hold a blob that `from` holds, without its bytes being sent again. Resolves to the log's position,
 * or to undefined where `from` does not hold it.
 */
export const mountBlob =
  ({ record }: { readonly record: Recorder }) =>
  async (mount: MountBlob, metadata: Metadata): Promise<bigint | undefined> => {
    const { position, states } = await record(metadata, decision(blobStream(mount.digest), mounting, mount));
    return isHeldBy(states[0], mount.from) ? position : undefined;
  };

const isHeldBy = ({ key, repositories }: Blob, repository: string | undefined): boolean =>
  key !== null && repository !== undefined && repositories.has(repository);
