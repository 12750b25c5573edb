import {
  type CondemnedManifest,
  condemningManifest,
  type ManifestAt,
  removingManifest,
  reprievingManifest,
} from '../domain/artifact/decider.ts';
import { artifactStream } from '../domain/artifact/events.ts';
import {
  type BlobAt,
  type CondemnedBlob,
  condemnationOf,
  condemning,
  removing,
  reprieving,
} from '../domain/blob/decider.ts';
import { blobStream } from '../domain/blob/events.ts';
import type { DomainEvent, Metadata } from '../domain/event.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import { atOnce } from './at-once.ts';
import type { Contents } from './contents.ts';
import { decision, type Recorder } from './record.ts';

export interface RemovalPorts {
  readonly record: Recorder;
  readonly store: Pick<BlobStore, 'delete'>;
  readonly contents: Contents;
  /** How many decisions and deletions are under way at most; the log commits those that meet together. */
  readonly workers?: number | undefined;
}

/** What became of something condemned: an upload or a push may have kept it before, or it is needed. */
export interface Settled {
  readonly outcome: 'removed' | 'kept';
  /** Whether this call recorded it, and not somebody else before. */
  readonly isOwn: boolean;
  /** Stored bytes that this call deleted with it. */
  readonly bytes: number;
}

/** What is needed, by its name, and whether this call recorded that it stays. */
export type Needed = ReadonlyMap<string, { readonly isOwn: boolean }>;

const standardWorkers = 16;

/**
 * The two phases of a removal, each for a batch. A condemned thing is recorded as such first; whether something needs
 * it is asked only when the views show that. A push does the opposite: it records what it needs, and asks then whether
 * that is condemned. So one of the two always sees the other, whatever lies between, on any gateway and after any
 * crash.
 */
export function removal({ record, store, contents, workers = standardWorkers }: RemovalPorts) {
  /** Resolves to those that are under a condemnation now, and which: it may be an earlier one. */
  async function condemnBlobs<Condemned extends CondemnedBlob>(
    blobs: readonly Condemned[],
    metadata: Metadata,
  ): Promise<readonly Condemned[]> {
    const condemned = await atOnce(workers, blobs, async (blob) => {
      const { repository, digest, condemnation } = blob;
      const { position, states } = await record(
        metadata,
        decision(blobStream(digest), condemning(repository), { repository, digest, condemnation }),
      );
      return { position, blob: { ...blob, condemnation: condemnationOf(states[0], repository) } };
    });
    await contents.reached(last(condemned));
    return condemned.map(({ blob }) => blob).filter(isCondemned<Condemned>);
  }

  /** Keeps those of `blobs` that are needed, and resolves to them. */
  async function reprieveNeededBlobs(blobs: readonly BlobAt[], metadata: Metadata): Promise<Needed> {
    const needed = await contents.neededBlobs(blobs);
    const reprieved = await atOnce(workers, needed, ({ repository, digest }) =>
      record(metadata, decision(blobStream(digest), reprieving(repository), { repository, digest })),
    );
    await contents.reached(last(reprieved));
    return neededBy(needed, reprieved);
  }

  /** Call it only when all views show the condemnations. Resolves to what became of each. */
  async function settleBlobs(blobs: readonly CondemnedBlob[], metadata: Metadata): Promise<Settled[]> {
    const needed = await reprieveNeededBlobs(blobs, metadata);
    const unneeded = blobs.filter((blob) => !needed.has(nameOf(blob)));
    const removed = await atOnce(workers, unneeded, ({ repository, digest, condemnation }) =>
      record(
        metadata,
        decision(blobStream(digest), removing(repository), { repository, digest, condemnation }),
      ),
    );
    await contents.reached(last(removed));
    const settled = await atOnce(
      workers,
      removed,
      async ({ states: [blob], events: [events] }): Promise<Settled> => {
        const [[, link]] = [...blob.links] as [[string, unknown]];
        const deleted = events.find((event) => event.type === 'BlobDeleted')?.data;
        // A key is never used twice, so that nobody can have come to need these bytes since.
        if (deleted !== undefined) await store.delete(deleted.key);
        const outcome = link === null ? 'removed' : 'kept';
        return { outcome, isOwn: events.length > 0, bytes: deleted?.size ?? 0 };
      },
    );
    return inOrderOf(blobs, needed, unneeded, settled);
  }

  /** Resolves to those that are under a condemnation now, and which: it may be an earlier one. */
  async function condemnManifests<Condemned extends CondemnedManifest>(
    manifests: readonly Condemned[],
    metadata: Metadata,
  ): Promise<readonly Condemned[]> {
    const condemned = await atOnce(workers, manifests, async (manifest) => {
      const { repository, digest, condemnation } = manifest;
      const { position, states } = await record(
        metadata,
        decision(artifactStream(repository, digest), condemningManifest, {
          repository,
          digest,
          condemnation,
        }),
      );
      return { position, manifest: { ...manifest, condemnation: states[0]?.condemnation ?? null } };
    });
    await contents.reached(last(condemned));
    return condemned.map(({ manifest }) => manifest).filter(isCondemned<Condemned>);
  }

  /** Keeps those of `manifests` that are needed, and resolves to them. */
  async function reprieveNeededManifests(
    manifests: readonly ManifestAt[],
    { referrersStay }: ManifestRules,
    metadata: Metadata,
  ): Promise<Needed> {
    const [needed, attached] = await Promise.all([
      contents.neededManifests(manifests),
      referrersStay ? contents.attachedManifests(manifests) : [],
    ]);
    const staying = [...new Map([...needed, ...attached].map((at) => [nameOf(at), at])).values()];
    const reprieved = await atOnce(workers, staying, ({ repository, digest }) =>
      record(
        metadata,
        decision(artifactStream(repository, digest), reprievingManifest, { repository, digest }),
      ),
    );
    await contents.reached(last(reprieved));
    return neededBy(staying, reprieved);
  }

  /** Call it only when all views show the condemnations. Resolves to what became of each. */
  async function settleManifests(
    manifests: readonly CondemnedManifest[],
    rules: ManifestRules,
    metadata: Metadata,
  ): Promise<Settled[]> {
    const needed = await reprieveNeededManifests(manifests, rules, metadata);
    const unneeded = manifests.filter((manifest) => !needed.has(nameOf(manifest)));
    const removed = await atOnce(workers, unneeded, ({ repository, digest, condemnation }) =>
      record(
        metadata,
        decision(artifactStream(repository, digest), removingManifest, { repository, digest, condemnation }),
      ),
    );
    await contents.reached(last(removed));
    const settled = await atOnce(
      workers,
      removed,
      async ({ states: [manifest], events: [events] }): Promise<Settled> => {
        const deleted = events.find((event) => event.type === 'ManifestDeleted')?.data;
        if (deleted !== undefined) await store.delete(deleted.key);
        const outcome = manifest === null ? 'removed' : 'kept';
        return { outcome, isOwn: deleted !== undefined, bytes: deleted?.size ?? 0 };
      },
    );
    return inOrderOf(manifests, needed, unneeded, settled);
  }

  /** Both phases at once. Undefined where the repository does not hold the blob. */
  async function removeBlob(blob: CondemnedBlob, metadata: Metadata): Promise<Settled | undefined> {
    const [settled] = await settleBlobs(await condemnBlobs([blob], metadata), metadata);
    return settled;
  }

  return {
    condemnBlobs,
    reprieveNeededBlobs,
    settleBlobs,
    removeBlob,
    condemnManifests,
    reprieveNeededManifests,
    settleManifests,
  };
}

export interface ManifestRules {
  /** Whether what refers to a manifest that is there is kept by that alone. */
  readonly referrersStay: boolean;
}

const nameOf = ({ repository, digest }: ManifestAt): string => `${repository}@${digest}`;

const isCondemned = <Condemned extends CondemnedManifest>(
  at: Omit<Condemned, 'condemnation'> & { readonly condemnation: string | null },
): at is Condemned => at.condemnation !== null;

const last = (recorded: readonly { readonly position: bigint }[]): bigint =>
  recorded.reduce((latest, { position }) => (position > latest ? position : latest), 0n);

const neededBy = (
  needed: readonly ManifestAt[],
  reprieved: readonly { readonly events: readonly [readonly DomainEvent[]] }[],
): Needed =>
  new Map(needed.map((at, index) => [nameOf(at), { isOwn: (reprieved[index]?.events[0].length ?? 0) > 0 }]));

/** What became of each of `all`, where `settled` is what became of the `unneeded` ones, and the others are kept. */
function inOrderOf(
  all: readonly ManifestAt[],
  needed: Needed,
  unneeded: readonly ManifestAt[],
  settled: readonly Settled[],
): Settled[] {
  const byName = new Map(unneeded.map((at, index) => [nameOf(at), settled[index]]));
  return all.map((at) => {
    const isOwn = needed.get(nameOf(at))?.isOwn ?? false;
    return byName.get(nameOf(at)) ?? { outcome: 'kept', isOwn, bytes: 0 };
  });
}
