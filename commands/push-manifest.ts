import { pushing } from '../domain/artifact/decider.ts';
import { artifactStream } from '../domain/artifact/events.ts';
import type { ParsedManifest } from '../domain/artifact/manifest.ts';
import type { Digest } from '../domain/digest.ts';
import type { Metadata } from '../domain/event.ts';
import type { TagCondition } from '../domain/tag/decider.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import { RevisionConflict } from '../infra/event-log/port.ts';
import { assignTags } from './assign-tags.ts';
import type { Contents } from './contents.ts';
import { lockedTags } from './locked-tags.ts';
import { readAttributes } from './read-attributes.ts';
import { decision, type Recorder } from './record.ts';
import { keepManifest, references } from './references.ts';
import { requireMovable } from './require-movable.ts';

export interface PushManifest {
  readonly repository: string;
  readonly digest: Digest;
  /** The bytes as the client sent them; they have `digest`. */
  readonly bytes: Uint8Array;
  readonly manifest: ParsedManifest;
  /** What is to point at it: all of them or none, where the engine of the log can append as one, else in this order. */
  readonly tags: readonly string[];
  /** That the same work points a tag at it later, where `tags` are none. */
  readonly isTaggedNext?: boolean;
  /** What must be true of each tag before it moves, at every attempt. */
  readonly condition?: TagCondition;
}

/** How often a push starts again because the manifest was deleted while it was being tagged. */
const maxAttempts = 5;

/**
 * Puts a manifest into a repository and points the tags at it. Resolves to the log's position.
 *
 * Nothing locks what a manifest needs: the push records that it needs it, and looks only then whether it is still
 * there, while a removal condemns, and looks only then whether it is needed. Whichever comes second sees the other.
 * The tags come last: a manifest without a tag is only garbage, a tag without its manifest is a broken pull.
 * @throws Refusal `references-unknown`, `reference-size-differs`, `tag-condition-failed`, `tag-immutable`.
 */
export const pushManifest = (ports: {
  readonly record: Recorder;
  readonly store: BlobStore;
  readonly contents: Contents;
  /** A new UUID. */
  readonly newCondemnation: () => string;
}) => {
  const { record, store, contents } = ports;
  const { requireReferences, keepReferences } = references(ports);

  return async (push: PushManifest, metadata: Metadata): Promise<bigint> => {
    const { repository, digest, bytes, manifest, tags, isTaggedNext = false, condition } = push;
    const at = { repository, digest };
    if (tags.length > 0) await requireMovable(contents, at, tags, await contents.tagLocks(repository));
    // Read once more when they are assigned: a rule that was made while the push was under way counts for it.
    const locked = lockedTags(contents, repository, tags, 'move');
    const assigned = assignTags({ ...at, tags, condition, locked });
    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      const { blobs, manifests: present } = await requireReferences(repository, manifest);
      const { config } = manifest;
      const [stored, attributes] = await Promise.all([
        store.put(digest, whole(bytes)),
        readAttributes(store, config, config && blobs.get(config.digest)),
      ]);
      const pushed = await record(
        metadata,
        decision(artifactStream(repository, digest), pushing, {
          ...at,
          ...stored,
          ...manifest,
          attributes,
          ...((tags.length > 0 || isTaggedNext) && { tagged: true }),
        }),
      );
      const [artifact] = pushed.states;
      const isFirst = artifact?.pushed.key === stored.key;
      if (!isFirst) await store.delete(stored.key);
      await contents.reached(pushed.position);
      if (isFirst && artifact.surplus !== null) await store.delete(artifact.surplus);
      await keepReferences(at, manifest, { present, takeBack: isFirst }, metadata);
      if (tags.length === 0) return pushed.position;

      const tagged = await record(metadata, ...assigned);
      await contents.reached(tagged.position);
      if (await keepManifest(ports, at, metadata)) return tagged.position;
    }
    throw new RevisionConflict(artifactStream(repository, digest), 'any');
  };
};

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
