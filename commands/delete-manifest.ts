import { type CondemnedManifest, type ManifestAt, removingManifest } from '../domain/artifact/decider.ts';
import { artifactStream } from '../domain/artifact/events.ts';
import type { Metadata } from '../domain/event.ts';
import { Refusal } from '../domain/refusal.ts';
import { removingTag } from '../domain/tag/decider.ts';
import { tagStream } from '../domain/tag/events.ts';
import { RevisionConflict } from '../infra/event-log/port.ts';
import { decision } from './record.ts';
import { keepManifest } from './references.ts';
import { type RemovalPorts, removal } from './remove-unneeded.ts';

/** How many tags go in one append. */
const tagsAtOnce = 500;
/** How often a deletion starts again because a push has kept the manifest. */
const maxAttempts = 5;

/**
 * Deletes a manifest and all tags that point at it (distribution-spec, "Deleting Manifests"); what it names stays.
 * Resolves to whether it was there. In two phases, as every removal, so that it sees an index that is being pushed,
 * or is seen by it. @throws Refusal `manifest-referenced` where an index names it.
 */
export const deleteManifest = ({
  newCondemnation,
  ...ports
}: RemovalPorts & { readonly newCondemnation: () => string }) => {
  const { record, store, contents } = ports;
  const { condemnManifests } = removal(ports);

  return async (at: ManifestAt, metadata: Metadata): Promise<boolean> => {
    const { repository, digest } = at;
    const find = async () => (await contents.manifests(repository, [digest])).get(digest);
    const parent = () => contents.parentOf(repository, digest);
    if ((await find()) === undefined) return false;
    // Most often it is known before anything is recorded.
    refuseBecauseOf(await parent());

    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      const [condemned] = await condemnManifests([{ ...at, condemnation: newCondemnation() }], metadata);
      const found = await find();
      const by = await parent();
      if (by !== undefined) await keepManifest(ports, at, metadata);
      refuseBecauseOf(by);
      if (!(await removeWithTags(condemned))) continue;
      if (found !== undefined) await store.delete(found.key);
      return true;
    }
    throw new RevisionConflict(artifactStream(repository, digest), 'any');

    /** False where a push has kept the manifest meanwhile. @param condemned undefined where it is gone already */
    async function removeWithTags(condemned: CondemnedManifest | undefined): Promise<boolean> {
      for (let isGone = condemned === undefined; ; ) {
        const tags = await someTags();
        const untagged = tags.map((tag) => decision(tagStream(repository, tag), removingTag, { ...at, tag }));
        const isLast = tags.length < tagsAtOnce;
        // The tags first, where the engine appends one by one: a tag without its manifest is a broken pull.
        const removed =
          isLast && condemned !== undefined && !isGone
            ? [decision(artifactStream(repository, digest), removingManifest, condemned)]
            : [];
        const { position, states } = await record(metadata, ...untagged, ...removed);
        await contents.reached(position);
        if (!isLast) continue;
        isGone ||= states.at(-1) === null;
        if (!isGone) return false;
        // A push that set a tag in the meantime finds the manifest gone and pushes it again; one that died before
        // it could has left a tag that points at nothing.
        if ((await someTags()).length === 0 || (await find()) !== undefined) return true;
      }
    }

    function someTags(): Promise<readonly string[]> {
      return contents.tagsOf(repository, digest, tagsAtOnce);
    }

    function refuseBecauseOf(by: Awaited<ReturnType<typeof parent>>): void {
      if (by !== undefined) throw new Refusal({ kind: 'manifest-referenced', digest, by });
    }
  };
};
