import type { ManifestAt } from '../domain/artifact/decider.ts';
import { needsOf, parseManifest } from '../domain/artifact/manifest.ts';
import type { MountBlob } from '../domain/blob/decider.ts';
import type { Digest } from '../domain/digest.ts';
import type { Metadata } from '../domain/event.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import { atOnce } from './at-once.ts';
import type { Contents } from './contents.ts';
import type { ArtifactParts } from './delete-artifact.ts';
import type { PushManifest } from './push-manifest.ts';
import { readBytes } from './read-bytes.ts';
import { requireMovable } from './require-movable.ts';

export interface CopyArtifact {
  readonly from: ManifestAt;
  /** The repository that is to have it. */
  readonly to: string;
  /** Rejects where that may not be any more; asked before each manifest is recorded, since a copy can take long. */
  confirm(): Promise<void>;
}

export interface CopyArtifactPorts extends Pick<ArtifactParts, 'accessoriesOf'> {
  readonly store: Pick<BlobStore, 'open'>;
  readonly contents: Pick<Contents, 'tagsOf' | 'tagLocks' | 'digestsOf' | 'reached'>;
  findManifest(
    repository: string,
    digest: Digest,
  ): Promise<{ readonly mediaType: string; readonly key: string } | undefined>;
  mountBlob(mount: MountBlob, metadata: Metadata): Promise<bigint | undefined>;
  pushManifest(push: PushManifest, metadata: Metadata): Promise<bigint>;
}

const mountedAtOnce = 8;
/** No larger one is taken in. */
const maxManifestBytes = 4 * 1024 * 1024;
/** How many tags are set together. */
const tagsAtOnce = 500;
/** The most tags and accessories of an artifact that go with it. */
const maxTags = 10_000;
const maxAccessories = 1000;

/**
 * Copies an artifact into another repository, with all its tags, its children and its accessories; no bytes of blobs
 * are moved. The tags come last, so that a copy that was cut short is only garbage. Resolves to whether the
 * artifact is there. @throws Refusal as a push does.
 */
export const copyArtifact =
  ({ store, contents, findManifest, mountBlob, pushManifest, accessoriesOf }: CopyArtifactPorts) =>
  async ({ from, to, confirm }: CopyArtifact, metadata: Metadata): Promise<boolean> => {
    const { repository } = from;
    const copied = new Set<Digest>();
    const locks = await contents.tagLocks(to);
    if (!locks.isEmpty('move')) {
      const tags = await contents.tagsOf(repository, from.digest, maxTags);
      await requireMovable(contents, { repository: to, digest: from.digest }, tags, locks);
    }
    return copy(from.digest, true);

    async function copy(digest: Digest, withTags: boolean): Promise<boolean> {
      if (copied.has(digest)) return true;
      copied.add(digest);
      const found = await findManifest(repository, digest);
      if (found === undefined) return false;
      const bytes = await readBytes(store, found.key, maxManifestBytes);
      if (bytes === undefined) return false;
      const manifest = parseManifest(bytes, found.mediaType);
      // An index may lack children; whether the other project has such ones is for the push to say.
      for (const child of manifest.manifests) await copy(child.digest, false);
      for (const mentioned of manifest.mentions) await copy(mentioned, false);
      await mountAll(needsOf(manifest).blobs);
      const push = { repository: to, digest, bytes, manifest };
      await confirm();
      const tags = withTags ? await contents.tagsOf(repository, digest, maxTags) : [];
      await pushManifest({ ...push, tags: [], isTaggedNext: tags.length > 0 }, metadata);
      for (const accessory of await accessoriesOf({ repository, digest }, maxAccessories))
        await copy(accessory, true);
      for (let next = 0; next < tags.length; next += tagsAtOnce) {
        await confirm();
        await pushManifest({ ...push, tags: tags.slice(next, next + tagsAtOnce) }, metadata);
      }
      return true;
    }

    async function mountAll(digests: readonly Digest[]): Promise<void> {
      const mounted = await atOnce(mountedAtOnce, digests, (digest) =>
        mountBlob({ digest, repository: to, from: repository }, metadata),
      );
      const last = mounted.reduce<bigint>(
        (latest, at) => (at !== undefined && at > latest ? at : latest),
        0n,
      );
      await contents.reached(last);
    }
  };
