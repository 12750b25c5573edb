import {
  type CondemnedManifest,
  type ManifestAt,
  removingManifest,
  removingUnchanged,
} from '../domain/artifact/decider.ts';
import { artifactStream } from '../domain/artifact/events.ts';
import type { Metadata } from '../domain/event.ts';
import { Refusal } from '../domain/refusal.ts';
import { RevisionConflict } from '../infra/event-log/port.ts';
import { lockedTags, requireDeletable } from './locked-tags.ts';
import { decision } from './record.ts';
import { keepManifest } from './references.ts';
import { removeTags, removeUnlockedTags } from './remove-tags.ts';
import { type RemovalPorts, removal } from './remove-unneeded.ts';

/** How many tags go in one append. */
const tagsAtOnce = 500;
/** How many of the tags that went with it are told. */
const maxToldTags = 100;
/** How many tags are looked at before the first of them goes. */
const maxTags = 10_000;
/** How often a deletion starts again because a push has kept the manifest. */
const maxAttempts = 5;

interface Removed {
  /** False where a push has kept the manifest meanwhile. */
  readonly isGone: boolean;
  /** Of the bytes that went with it; undefined where somebody else has removed it, and deletes them. */
  readonly key: string | undefined;
}
const goneBefore: Removed = { isGone: true, key: undefined };

/** Whether what is to go is still as it was when that was decided: asked when no push can come unseen any more. */
export type IsUnchanged = () => Promise<boolean>;

/**
 * Deletes a manifest and all tags that point at it (distribution-spec, "Deleting Manifests"); what it names stays.
 * Resolves to whether it was there. In two phases, as every removal, so that it sees an index that is being pushed,
 * or is seen by it. @throws Refusal `manifest-referenced` where an index names it, `tag-immutable`, `artifact-changed` where
 * it stays because `isUnchanged` says no, or because somebody has pushed it meanwhile; without that question such a push
 * counts as one that came before.
 */
export const deleteManifest = ({
  newCondemnation,
  ...ports
}: RemovalPorts & { readonly newCondemnation: () => string }) => {
  const { record, store, contents } = ports;
  const { condemnManifests } = removal(ports);

  return async (at: ManifestAt, metadata: Metadata, isUnchanged?: IsUnchanged): Promise<boolean> => {
    const { repository, digest } = at;
    const find = async () => (await contents.manifests(repository, [digest])).get(digest);
    const parent = () => contents.parentOf(repository, digest);
    if ((await find()) === undefined) return false;
    // Most often it is known before anything is recorded.
    refuseBecauseOf(await parent());
    const known = await contents.tagLocks(repository);
    if (!known.isEmpty('delete'))
      await requireDeletable(repository, await contents.tagsOf(repository, digest, maxTags), known);

    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      const [condemned] = await condemnManifests([{ ...at, condemnation: newCondemnation() }], metadata);
      const { isGone, key } = condemned === undefined ? goneBefore : await removeUnder(condemned);
      if (!isGone) continue;
      const isDone = await removeTagsOfNothing();
      if (key !== undefined) await store.delete(key);
      if (isDone) return true;
    }
    throw new RevisionConflict(artifactStream(repository, digest), 'any');

    async function removeUnder(condemned: CondemnedManifest): Promise<Removed> {
      const by = await parent();
      if (by !== undefined) await keepManifest(ports, at, metadata);
      refuseBecauseOf(by);
      try {
        if (isUnchanged !== undefined && !(await isUnchanged()))
          throw new Refusal({ kind: 'artifact-changed', repository, digest });
        return await removeWithTags(condemned);
      } catch (error) {
        // A tag, or the rule for it, has come since.
        if (error instanceof Refusal) await keepManifest(ports, at, metadata);
        throw error;
      }
    }

    async function removeWithTags(condemned: CondemnedManifest): Promise<Removed> {
      const told: string[] = [];
      for (;;) {
        const tags = await someTags();
        told.push(...tags.slice(0, maxToldTags - told.length));
        if (tags.length === tagsAtOnce) {
          const { position } = await record(metadata, ...untagging(tags));
          await contents.reached(position);
          continue;
        }
        const removing = decision(
          artifactStream(repository, digest),
          isUnchanged === undefined ? removingManifest : removingUnchanged,
          { ...condemned, tags: told },
        );
        // The tags first, where the engine appends one by one: a tag without its manifest is a broken pull.
        const { position, states, events } = await record(metadata, ...untagging(tags), removing);
        await contents.reached(position);
        const deleted = events.flat().find((event) => event.type === 'ManifestDeleted');
        return { isGone: states.at(-1) === null, key: deleted?.data.key };
      }
    }

    /**
     * A push that set a tag in the meantime finds the manifest gone and pushes it again; one that died before it could
     * has left a tag that points at nothing. False where a push came while such tags went: they were its own as well,
     * so that the manifest has to go with them. What no rule lets go stays, also where it points at nothing: a push of the
     * same may have found it set and said so, and a rule is not for a process to break that may die before it mends it.
     */
    async function removeTagsOfNothing(): Promise<boolean> {
      for (;;) {
        const tags = await someTags();
        if (tags.length === 0 || (await find()) !== undefined) return true;
        const locked = lockedTags(contents, repository, tags, 'delete');
        const { position } = await record(metadata, ...removeUnlockedTags({ ...at, tags, locked }));
        await contents.reached(position);
        if (tags.every(locked.has)) return true;
        if ((await find()) !== undefined) return false;
      }
    }

    function untagging(tags: readonly string[]) {
      return removeTags({ ...at, tags, locked: lockedTags(contents, repository, tags, 'delete') });
    }

    function someTags(): Promise<readonly string[]> {
      return contents.tagsOf(repository, digest, tagsAtOnce);
    }

    function refuseBecauseOf(by: Awaited<ReturnType<typeof parent>>): void {
      if (by !== undefined) throw new Refusal({ kind: 'manifest-referenced', digest, by });
    }
  };
};
