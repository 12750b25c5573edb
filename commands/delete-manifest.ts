import { deletingManifest, type ManifestAt } from '../domain/artifact/decider.ts';
import { artifactStream } from '../domain/artifact/events.ts';
import type { Metadata } from '../domain/event.ts';
import { Refusal } from '../domain/refusal.ts';
import { removingTag } from '../domain/tag/decider.ts';
import { tagStream } from '../domain/tag/events.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import type { Contents } from './contents.ts';
import { decision, type Recorder } from './record.ts';

/** How many tags go in one append. */
const tagsAtOnce = 500;

/**
 * Deletes a manifest and all tags that point at it (distribution-spec, "Deleting Manifests"); what it names stays.
 * Resolves to whether it was there. @throws Refusal `manifest-referenced` where an index names it.
 */
export const deleteManifest =
  ({
    record,
    store,
    contents,
  }: {
    readonly record: Recorder;
    readonly store: Pick<BlobStore, 'delete'>;
    readonly contents: Contents;
  }) =>
  async (at: ManifestAt, metadata: Metadata): Promise<boolean> => {
    const { repository, digest } = at;
    const find = async () => (await contents.manifests(repository, [digest])).get(digest);
    const found = await find();
    if (found === undefined) return false;
    const by = await contents.parentOf(repository, digest);
    if (by !== undefined) throw new Refusal({ kind: 'manifest-referenced', digest, by });

    for (let tags = await someTags(); ; tags = await someTags()) {
      const untagged = tags.map((tag) => decision(tagStream(repository, tag), removingTag, { ...at, tag }));
      const isLast = tags.length < tagsAtOnce;
      // The tags first, where the engine appends one by one: a tag without its manifest is a broken pull.
      const deleted = isLast ? [decision(artifactStream(repository, digest), deletingManifest, at)] : [];
      const { position } = await record(metadata, ...untagged, ...deleted);
      await contents.reached(position);
      // A push that set a tag in the meantime finds the manifest deleted and pushes it again; one that died before
      // it could has left a tag that points at nothing.
      if (isLast && ((await someTags()).length === 0 || (await find()) !== undefined)) break;
    }
    await store.delete(found.key);
    return true;

    function someTags(): Promise<readonly string[]> {
      return contents.tagsOf(repository, digest, tagsAtOnce);
    }
  };
