import { type ManifestAt, reprievingManifest } from '../domain/artifact/decider.ts';
import { artifactStream } from '../domain/artifact/events.ts';
import { needsOf, type ParsedManifest, referencesOf } from '../domain/artifact/manifest.ts';
import { isHeld, reprieving } from '../domain/blob/decider.ts';
import { blobStream } from '../domain/blob/events.ts';
import type { Digest } from '../domain/digest.ts';
import type { Metadata } from '../domain/event.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Content } from './contents.ts';
import { decision } from './record.ts';
import { type RemovalPorts, removal } from './remove-unneeded.ts';

interface Ports extends RemovalPorts {
  readonly newCondemnation: () => string;
}

/** What a manifest that is being pushed needs of its repository, before it is recorded and after. */
export function references({ newCondemnation, ...ports }: Ports) {
  const { record, contents } = ports;
  const { condemnManifests, settleManifests } = removal(ports);

  /**
   * Resolves to what is there of what it names.
   * @throws Refusal `references-unknown`, `reference-size-differs`.
   */
  async function requireReferences(
    repository: string,
    manifest: ParsedManifest,
  ): Promise<{ readonly blobs: ReadonlyMap<Digest, Content>; readonly manifests: ReadonlySet<Digest> }> {
    const { blobs, manifests } = referencesOf(manifest);
    const digestsOf = (references: readonly { digest: Digest }[]) => references.map(({ digest }) => digest);
    const [foundBlobs, foundManifests, sparse] = await Promise.all([
      contents.blobs(repository, digestsOf(blobs)),
      contents.manifests(repository, digestsOf(manifests)),
      manifests.length === 0 || contents.allowsSparseIndexes(repository),
    ]);
    const sound = new Map([...foundManifests].filter(([, { damaged }]) => !damaged));
    const missing = [
      ...blobs.filter(({ digest }) => !foundBlobs.has(digest)),
      ...(sparse ? [] : manifests.filter(({ digest }) => !sound.has(digest))),
    ];
    if (missing.length > 0) refuse(repository, digestsOf(missing));
    for (const { digest, size: claimed } of [...blobs, ...manifests]) {
      const size = (foundBlobs.get(digest) ?? foundManifests.get(digest))?.size ?? claimed;
      if (size !== claimed) throw new Refusal({ kind: 'reference-size-differs', digest, claimed, size });
    }
    return { blobs: foundBlobs, manifests: new Set(sound.keys()) };
  }

  /**
   * Keeps what the manifest needs, now that it is recorded that it does. Where something has gone in the meantime, a
   * manifest that was not there before goes again, before any tag points at it. An index may lack children, but not one
   * that was `present` when its push began: the client has seen it, and will not push it again.
   * @throws Refusal `references-unknown`
   */
  async function keepReferences(
    at: ManifestAt,
    manifest: ParsedManifest,
    { present, takeBack }: { readonly present: ReadonlySet<Digest>; readonly takeBack: boolean },
    metadata: Metadata,
  ): Promise<void> {
    const gone = await goneOf(at, manifest, present, metadata);
    if (gone.size === 0) return;
    if (takeBack) await removeAgain();
    refuse(at.repository, [...gone]);

    /** In two phases: somebody else may have pushed the same in the meantime, whole, and tagged it or not. */
    async function removeAgain(): Promise<void> {
      const condemned = await condemnManifests([{ ...at, condemnation: newCondemnation() }], metadata);
      // Who has pushed it before it was condemned has found all that it needs, and nothing says that he did.
      if ((await goneOf(at, manifest, present, metadata)).size === 0) await keepManifest(ports, at, metadata);
      // It is not whole, so that a subject alone does not keep it.
      else await settleManifests(condemned, { referrersStay: false }, metadata);
    }
  }

  /** Keeps what is condemned of what the manifest needs, and resolves to what is not there and must be. */
  async function goneOf(
    { repository }: ManifestAt,
    manifest: ParsedManifest,
    present: ReadonlySet<Digest>,
    metadata: Metadata,
  ): Promise<ReadonlySet<Digest>> {
    const required = referencesOf(manifest);
    const needed = needsOf(manifest);
    const [blobs, manifests] = await Promise.all([
      contents.blobs(repository, needed.blobs),
      contents.manifests(repository, needed.manifests),
    ]);
    const gone = new Set<Digest>();
    for (const digest of needed.blobs) {
      const isThere = blobs.get(digest)?.condemned === true ? await keepBlob(digest) : blobs.has(digest);
      if (!isThere && required.blobs.some((blob) => blob.digest === digest)) gone.add(digest);
    }
    const sparse = needed.manifests.length === 0 || (await contents.allowsSparseIndexes(repository));
    for (const digest of needed.manifests) {
      const child = { repository, digest };
      const isThere =
        manifests.get(digest)?.condemned === true
          ? await keepManifest({ record, contents }, child, metadata)
          : manifests.has(digest);
      if (!isThere && (!sparse || present.has(digest))) gone.add(digest);
    }
    return gone;

    async function keepBlob(digest: Digest): Promise<boolean> {
      const kept = decision(blobStream(digest), reprieving(repository), { repository, digest });
      const { states, position } = await record(metadata, kept);
      await contents.reached(position);
      return isHeld(states[0], repository);
    }
  }

  return { requireReferences, keepReferences };
}

/** Keeps a manifest that may be condemned; resolves to whether it is there, with sound bytes. */
export async function keepManifest(
  { record, contents }: Pick<RemovalPorts, 'record' | 'contents'>,
  at: ManifestAt,
  metadata: Metadata,
): Promise<boolean> {
  const { repository, digest } = at;
  const found = (await contents.manifests(repository, [digest])).get(digest);
  if (found === undefined || found.damaged) return false;
  if (!found.condemned) return true;
  const { states, position } = await record(
    metadata,
    decision(artifactStream(repository, digest), reprievingManifest, at),
  );
  await contents.reached(position);
  return states[0] !== null;
}

function refuse(repository: string, digests: readonly Digest[]): never {
  throw new Refusal({ kind: 'references-unknown', repository, digests: [...new Set(digests)] });
}
