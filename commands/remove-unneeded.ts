import {
  condemningManifest,
  type ManifestAt,
  removingManifest,
  reprievingManifest,
} from '../domain/artifact/decider.ts';
import { artifactStream } from '../domain/artifact/events.ts';
import { type BlobAt, condemnationOf, condemning, removing, reprieving } from '../domain/blob/decider.ts';
import { blobStream } from '../domain/blob/events.ts';
import type { Metadata } from '../domain/event.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import type { Contents } from './contents.ts';
import { decision, type Recorder } from './record.ts';

export interface RemovalPorts {
  readonly record: Recorder;
  readonly store: Pick<BlobStore, 'delete'>;
  readonly contents: Contents;
}

/** What became of something condemned: an upload or a push may have kept it before, or it is needed. */
export type Settled = 'removed' | 'kept';

/**
 * The two phases of a removal. A condemned thing is recorded as such first; whether something needs it is asked only
 * when the views show that. A push does the opposite: it records what it needs, and asks then whether that is
 * condemned. So one of the two always sees the other, whatever lies between, on any gateway and after any crash.
 */
export function removal({ record, store, contents }: RemovalPorts) {
  /** Resolves to the condemnation that the blob is under now, null where the repository does not hold it. */
  async function condemnBlob(at: BlobAt, condemnation: string, metadata: Metadata): Promise<string | null> {
    const { repository, digest } = at;
    const condemned = decision(blobStream(digest), condemning(repository), { ...at, condemnation });
    const { position, states } = await record(metadata, condemned);
    await contents.reached(position);
    return condemnationOf(states[0], repository);
  }

  /** Call it only when the views show the condemnation. */
  async function settleBlob(at: BlobAt, condemnation: string, metadata: Metadata): Promise<Settled> {
    const { repository, digest } = at;
    const stream = blobStream(digest);
    if (await contents.isNeeded(repository, digest)) {
      const { position } = await record(metadata, decision(stream, reprieving(repository), at));
      await contents.reached(position);
      return 'kept';
    }
    const key = (await contents.blobs(repository, [digest])).get(digest)?.key;
    const removed = decision(stream, removing(repository), { ...at, condemnation });
    const { position, states } = await record(metadata, removed);
    await contents.reached(position);
    const [blob] = states;
    // A key is never used twice, so that nobody can have come to need these bytes since.
    if (blob.key === null && key !== undefined) await store.delete(key);
    return blob.links.get(repository) === null ? 'removed' : 'kept';
  }

  /** Resolves to the condemnation that the manifest is under now, null where it is not there. */
  async function condemnManifest(
    at: ManifestAt,
    condemnation: string,
    metadata: Metadata,
  ): Promise<string | null> {
    const stream = artifactStream(at.repository, at.digest);
    const condemned = decision(stream, condemningManifest, { ...at, condemnation });
    const { position, states } = await record(metadata, condemned);
    await contents.reached(position);
    return states[0]?.condemnation ?? null;
  }

  /** Call it only when the views show the condemnation. */
  async function settleManifest(at: ManifestAt, condemnation: string, metadata: Metadata): Promise<Settled> {
    const { repository, digest } = at;
    const stream = artifactStream(repository, digest);
    const [tags, parent] = await Promise.all([
      contents.tagsOf(repository, digest, 1),
      contents.parentOf(repository, digest),
    ]);
    if (tags.length > 0 || parent !== undefined) {
      const { position } = await record(metadata, decision(stream, reprievingManifest, at));
      await contents.reached(position);
      return 'kept';
    }
    const key = (await contents.manifests(repository, [digest])).get(digest)?.key;
    const { position, states } = await record(
      metadata,
      decision(stream, removingManifest, { ...at, condemnation }),
    );
    await contents.reached(position);
    if (states[0] !== null) return 'kept';
    if (key !== undefined) await store.delete(key);
    return 'removed';
  }

  return { condemnBlob, settleBlob, condemnManifest, settleManifest };
}
