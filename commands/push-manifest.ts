import { artifactDecider } from '../domain/artifact/decider.ts';
import { artifactStream } from '../domain/artifact/events.ts';
import { type ParsedManifest, referencesOf } from '../domain/artifact/manifest.ts';
import type { Digest } from '../domain/digest.ts';
import type { Metadata } from '../domain/event.ts';
import { Refusal } from '../domain/refusal.ts';
import { tagDecider } from '../domain/tag/decider.ts';
import { tagStream } from '../domain/tag/events.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import { decision, type Recorder } from './record.ts';

export interface PushManifest {
  readonly repository: string;
  readonly digest: Digest;
  /** The bytes as the client sent them; they have `digest`. */
  readonly bytes: Uint8Array;
  readonly manifest: ParsedManifest;
  readonly tag?: string;
}

/** The sizes of those digests that the repository holds, of its blobs and of its manifests. */
export interface Contents {
  blobSizes(repository: string, digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>>;
  manifestSizes(repository: string, digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>>;
}

/**
 * Puts a manifest into a repository and points the tag, if there is one, at it. Resolves to the log's position.
 * @throws Refusal `references-unknown`, `reference-size-differs`.
 */
export const pushManifest =
  ({
    record,
    store,
    contents,
  }: {
    readonly record: Recorder;
    readonly store: BlobStore;
    readonly contents: Contents;
  }) =>
  async ({ repository, digest, bytes, manifest, tag }: PushManifest, metadata: Metadata): Promise<bigint> => {
    await requireReferences(contents, repository, manifest);
    const stored = await store.put(digest, whole(bytes));
    const pushed = decision(artifactStream(repository, digest), artifactDecider, {
      repository,
      digest,
      size: stored.size,
      key: stored.key,
      ...manifest,
    });
    const recorded =
      tag === undefined
        ? await record(metadata, pushed)
        : // Tag last, where the engine appends one by one: a manifest without a tag is only garbage, a tag without
          // its manifest is a broken pull.
          await record(
            metadata,
            pushed,
            decision(tagStream(repository, tag), tagDecider, { repository, tag, digest }),
          );
    const [{ key }] = recorded.states;
    if (key !== stored.key) await store.delete(stored.key);
    return recorded.position;
  };

async function requireReferences(
  contents: Contents,
  repository: string,
  manifest: ParsedManifest,
): Promise<void> {
  const { blobs, manifests } = referencesOf(manifest);
  const known = new Map([
    ...(blobs.length === 0
      ? []
      : await contents.blobSizes(
          repository,
          blobs.map(({ digest }) => digest),
        )),
    ...(manifests.length === 0
      ? []
      : await contents.manifestSizes(
          repository,
          manifests.map(({ digest }) => digest),
        )),
  ]);
  const references = [...blobs, ...manifests];
  const missing = references.filter(({ digest }) => !known.has(digest)).map(({ digest }) => digest);
  if (missing.length > 0)
    throw new Refusal({ kind: 'references-unknown', repository, digests: [...new Set(missing)] });
  for (const { digest, size } of references) {
    const stored = known.get(digest) ?? size;
    if (stored !== size)
      throw new Refusal({ kind: 'reference-size-differs', digest, claimed: size, size: stored });
  }
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
