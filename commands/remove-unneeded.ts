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
import type { Metadata } from '../domain/event.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import { atOnce } from './at-once.ts';
import type { Contents } from './contents.ts';
import { decision, type Recorder } from './record.ts';

export interface RemovalPorts {
  readonly record: Recorder;
  readonly store: Pick<BlobStore, 'delete'>;
  readonly contents: Contents;
}

/** What became of something condemned: an upload or a push may have kept it before, or it is needed. */
export interface Settled {
  readonly outcome: 'removed' | 'kept';
  /** Stored bytes that went with it. */
  readonly bytes: number;
}

/** A manifest under a condemnation, with the bytes that go with it where they are known. */
export interface SettledManifest extends CondemnedManifest {
  readonly key?: string;
  readonly size?: number;
}

const kept: Settled = { outcome: 'kept', bytes: 0 };

/** How many decisions and deletions of one batch are under way: the log commits those that meet together. */
const settledAtOnce = 16;

/**
 * The two phases of a removal, each for a batch. A condemned thing is recorded as such first; whether something needs
 * it is asked only when the views show that. A push does the opposite: it records what it needs, and asks then whether
 * that is condemned. So one of the two always sees the other, whatever lies between, on any gateway and after any
 * crash.
 */
export function removal({ record, store, contents }: RemovalPorts) {
  /** Resolves to those that are under a condemnation now, and which: it may be an earlier one. */
  async function condemnBlobs(
    blobs: readonly CondemnedBlob[],
    metadata: Metadata,
  ): Promise<readonly CondemnedBlob[]> {
    const condemned = await atOnce(settledAtOnce, blobs, async ({ repository, digest, condemnation }) => {
      const command = { repository, digest, condemnation };
      const { position, states } = await record(
        metadata,
        decision(blobStream(digest), condemning(repository), command),
      );
      return { position, blob: { ...command, condemnation: condemnationOf(states[0], repository) } };
    });
    await contents.reached(last(condemned));
    return condemned.map(({ blob }) => blob).filter(isCondemned);
  }

  /** Keeps those of `blobs` that are needed, and resolves to them. */
  async function reprieveNeededBlobs(
    blobs: readonly BlobAt[],
    metadata: Metadata,
  ): Promise<ReadonlySet<string>> {
    const needed = await contents.neededBlobs(blobs);
    const reprieved = await atOnce(settledAtOnce, needed, ({ repository, digest }) =>
      record(metadata, decision(blobStream(digest), reprieving(repository), { repository, digest })),
    );
    await contents.reached(last(reprieved));
    return new Set(needed.map(nameOf));
  }

  /** Call it only when all views show the condemnations. Resolves to what became of each. */
  async function settleBlobs(blobs: readonly CondemnedBlob[], metadata: Metadata): Promise<Settled[]> {
    const needed = await reprieveNeededBlobs(blobs, metadata);
    const unneeded = blobs.filter((blob) => !needed.has(nameOf(blob)));
    const removed = await atOnce(settledAtOnce, unneeded, ({ repository, digest, condemnation }) =>
      record(
        metadata,
        decision(blobStream(digest), removing(repository), { repository, digest, condemnation }),
      ),
    );
    await contents.reached(last(removed));
    const settled = await atOnce(settledAtOnce, removed, async ({ states: [blob] }): Promise<Settled> => {
      const [[, link]] = [...blob.links] as [[string, unknown]];
      if (link !== null) return kept;
      if (blob.key !== null || blob.surplus === null) return { outcome: 'removed', bytes: 0 };
      // A key is never used twice, so that nobody can have come to need these bytes since.
      await store.delete(blob.surplus);
      return { outcome: 'removed', bytes: blob.size };
    });
    return inOrderOf(blobs, unneeded, settled);
  }

  /** Resolves to those that are under a condemnation now, and which: it may be an earlier one. */
  async function condemnManifests(
    manifests: readonly SettledManifest[],
    metadata: Metadata,
  ): Promise<readonly SettledManifest[]> {
    const condemned = await atOnce(settledAtOnce, manifests, async (manifest) => {
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
    return condemned.map(({ manifest }) => manifest).filter(isCondemned);
  }

  /** Keeps those of `manifests` that are needed, and resolves to them. */
  async function reprieveNeededManifests(
    manifests: readonly ManifestAt[],
    { referrersStay }: ManifestRules,
    metadata: Metadata,
  ): Promise<ReadonlySet<string>> {
    const [needed, attached] = await Promise.all([
      contents.neededManifests(manifests),
      referrersStay ? contents.attachedManifests(manifests) : [],
    ]);
    const staying = [...new Map([...needed, ...attached].map((at) => [nameOf(at), at])).entries()];
    const reprieved = await atOnce(settledAtOnce, staying, ([, { repository, digest }]) =>
      record(
        metadata,
        decision(artifactStream(repository, digest), reprievingManifest, { repository, digest }),
      ),
    );
    await contents.reached(last(reprieved));
    return new Set(staying.map(([name]) => name));
  }

  /** Call it only when all views show the condemnations. Resolves to what became of each. */
  async function settleManifests(
    manifests: readonly SettledManifest[],
    rules: ManifestRules,
    metadata: Metadata,
  ): Promise<Settled[]> {
    const needed = await reprieveNeededManifests(manifests, rules, metadata);
    const unneeded = manifests.filter((manifest) => !needed.has(nameOf(manifest)));
    const removed = await atOnce(settledAtOnce, unneeded, async (manifest) => {
      const { repository, digest, condemnation } = manifest;
      const removing = decision(artifactStream(repository, digest), removingManifest, {
        repository,
        digest,
        condemnation,
      });
      return { manifest, ...(await record(metadata, removing)) };
    });
    await contents.reached(last(removed));
    const settled = await atOnce(
      settledAtOnce,
      removed,
      async ({ manifest: { key, size = 0 }, states }): Promise<Settled> => {
        if (states[0] !== null) return kept;
        if (key !== undefined) await store.delete(key);
        return { outcome: 'removed', bytes: size };
      },
    );
    return inOrderOf(manifests, unneeded, settled);
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

const isCondemned = <At extends { readonly condemnation: string | null }>(
  at: At,
): at is At & { readonly condemnation: string } => at.condemnation !== null;

const last = (recorded: readonly { readonly position: bigint }[]): bigint =>
  recorded.reduce((latest, { position }) => (position > latest ? position : latest), 0n);

/** What became of each of `all`, where `settled` is what became of `some` of them and the others are kept. */
function inOrderOf<At extends ManifestAt>(
  all: readonly At[],
  some: readonly At[],
  settled: readonly Settled[],
): Settled[] {
  const byName = new Map(some.map((at, index) => [nameOf(at), settled[index]]));
  return all.map((at) => byName.get(nameOf(at)) ?? kept);
}
