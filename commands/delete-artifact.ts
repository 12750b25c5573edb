import type { ManifestAt } from '../domain/artifact/decider.ts';
import type { Digest } from '../domain/digest.ts';
import type { Metadata } from '../domain/event.ts';
import { type Reason, Refusal } from '../domain/refusal.ts';
import { deleteManifest, type IsUnchanged } from './delete-manifest.ts';
import { requireDeletable } from './locked-tags.ts';
import { type RemovalPorts, removal } from './remove-unneeded.ts';

/** How the artifacts of a repository hang together. */
export interface ArtifactParts {
  /** Up to `limit` accessories of the artifact. */
  accessoriesOf(at: ManifestAt, limit: number): Promise<readonly Digest[]>;
  /** What an index names, be it there or not. */
  childrenOf(at: ManifestAt): Promise<readonly Digest[]>;
}

export interface DeleteArtifactPorts extends RemovalPorts, ArtifactParts {
  /** A new UUID. */
  readonly newCondemnation: () => string;
}

/** How much of what goes is looked at before the first of it goes. */
const maxTags = 10_000;
const maxAccessories = 1000;
const keeping: ReadonlySet<Reason['kind']> = new Set(['manifest-referenced', 'tag-immutable']);
/** How many accessories of one artifact go together. */
const accessoriesAtOnce = 100;

/**
 * Deletes an artifact as the management API does: with its tags, its accessories, and those of its children that
 * nothing else needs. The accessories go first, so that a call that was cut short is made again on an artifact that
 * is still there. Resolves to whether it was there. @throws Refusal `manifest-referenced` where an index names it,
 * `tag-immutable`.
 *
 * With `isUnchanged` the accessories go last, so that what stays, because it has changed, keeps them: then
 * `artifact-changed` is thrown. A call that was cut short is made again although the artifact is gone.
 */
export const deleteArtifact = ({ accessoriesOf, childrenOf, ...ports }: DeleteArtifactPorts) => {
  const { contents, newCondemnation } = ports;
  const deleting = deleteManifest(ports);
  const { condemnManifests, settleManifests } = removal(ports);

  return async (at: ManifestAt, metadata: Metadata, isUnchanged?: IsUnchanged): Promise<boolean> => {
    const { repository } = at;
    /** A signature can be tagged as one of itself. */
    const seen = new Set<Digest>();
    const locks = await contents.tagLocks(repository);
    if (!locks.isEmpty('delete')) await requireUnlocked(at.digest, new Set());
    return remove(at.digest, isUnchanged);

    /** Of it and of what goes with it, before anything of that is gone. @throws Refusal `tag-immutable` */
    async function requireUnlocked(digest: Digest, asked: Set<Digest>): Promise<void> {
      asked.add(digest);
      await requireDeletable(repository, await contents.tagsOf(repository, digest, maxTags), locks);
      for (const accessory of await accessoriesOf({ repository, digest }, maxAccessories))
        if (!asked.has(accessory)) await requireUnlocked(accessory, asked);
    }

    async function remove(digest: Digest, isUnchanged?: IsUnchanged): Promise<boolean> {
      seen.add(digest);
      const by = await contents.parentOf(repository, digest);
      if (by !== undefined) throw new Refusal({ kind: 'manifest-referenced', digest, by });
      const children = await childrenOf({ repository, digest });
      if (isUnchanged === undefined) await removeAccessories(digest);
      const isRemoved = await deleting({ repository, digest }, metadata, isUnchanged);
      if (isUnchanged !== undefined) await removeAccessories(digest);
      await removeUnneeded(children);
      if (isUnchanged !== undefined && !isRemoved) await removeWhatIsLeftOf(children);
      return isRemoved;
    }

    async function removeAccessories(of: Digest): Promise<void> {
      for (;;) {
        const accessories = await accessoriesOf({ repository, digest: of }, accessoriesAtOnce);
        const fresh = accessories.filter((digest) => !seen.has(digest));
        for (const digest of fresh) await removeAccessory(digest);
        if (fresh.length === 0 || accessories.length < accessoriesAtOnce) return;
      }
    }

    async function removeAccessory(digest: Digest): Promise<void> {
      try {
        await remove(digest);
      } catch (error) {
        // An index that is no part of this keeps it, or a tag of its own that is immutable.
        if (!(error instanceof Refusal && keeping.has(error.reason.kind))) throw error;
      }
    }

    /** Of children that went with an index before a call was cut short: what refers to them. */
    async function removeWhatIsLeftOf(children: readonly Digest[]): Promise<void> {
      const there = await contents.manifests(repository, children);
      for (const digest of children) if (!there.has(digest)) await removeAccessories(digest);
    }

    /** In the two phases of a removal, which keep what has a tag or is named by another index. */
    async function removeUnneeded(digests: readonly Digest[]): Promise<void> {
      const children = [...new Set(digests)].filter((digest) => !seen.has(digest));
      if (children.length === 0) return;
      for (const digest of children) seen.add(digest);
      const there = await contents.manifests(repository, children);
      const needed = await contents.neededManifests(children.map((digest) => ({ repository, digest })));
      const kept = new Set(needed.map(({ digest }) => digest));
      const going = children.filter((digest) => there.has(digest) && !kept.has(digest));
      const below = new Map<Digest, readonly Digest[]>();
      for (const digest of going) below.set(digest, await childrenOf({ repository, digest }));
      const condemned = await condemnManifests(
        going.map((digest) => ({ repository, digest, condemnation: newCondemnation() })),
        metadata,
      );
      const settled = await settleManifests(condemned, { referrersStay: false }, metadata);
      for (const [index, { digest }] of condemned.entries()) {
        if (settled[index]?.outcome !== 'removed') continue;
        await removeAccessories(digest);
        await removeUnneeded(below.get(digest) ?? []);
      }
    }
  };
};
