import type { ManifestAt } from '../domain/artifact/decider.ts';
import type { BlobAt } from '../domain/blob/decider.ts';
import type { Digest } from '../domain/digest.ts';
import type { TagLocks } from '../domain/immutability/locks.ts';
import type { Place } from './garbage.ts';

export interface Content {
  /** Bytes. */
  readonly size: number;
  /** The blob store's key of the bytes. */
  readonly key: string;
  /** Whether it goes unless something needs it soon. */
  readonly condemned: boolean;
}

/** What the views show of a repository: questions that commands ask before or after they decide. */
export interface Contents {
  /** Those of `digests` that are blobs of the repository. */
  blobs(repository: string, digests: readonly Digest[]): Promise<ReadonlyMap<Digest, Content>>;
  /** Those of `digests` that are manifests of the repository, also where their bytes are known to be wrong. */
  manifests(
    repository: string,
    digests: readonly Digest[],
  ): Promise<ReadonlyMap<Digest, Content & { readonly damaged: boolean }>>;
  /** Those of `blobs` that a manifest of their repository needs. */
  neededBlobs(blobs: readonly BlobAt[]): Promise<readonly BlobAt[]>;
  /** Those of `manifests` that a tag points at, or that an index of their repository names. */
  neededManifests(manifests: readonly ManifestAt[]): Promise<readonly ManifestAt[]>;
  /** Those of `manifests` that refer to a manifest which is there. */
  attachedManifests(manifests: readonly ManifestAt[]): Promise<readonly ManifestAt[]>;
  /** An index of the repository that names the manifest. */
  parentOf(repository: string, manifest: Digest): Promise<Digest | undefined>;
  /** Up to `limit` of the tags that point at the manifest. */
  tagsOf(repository: string, manifest: Digest, limit: number): Promise<readonly string[]>;
  /** Up to `limit` blobs after `after` that repositories of the project hold, by repository and digest. */
  blobsOf(project: string, after: Place, limit: number): Promise<readonly BlobAt[]>;
  /** Up to `limit` manifests after `after` of repositories of the project, by repository and digest. */
  manifestsOf(project: string, after: Place, limit: number): Promise<readonly ManifestAt[]>;
  /** What the project's rules keep the tags of the repository from. */
  tagLocks(repository: string): Promise<TagLocks>;
  /** Where those of `tags` point that point at something. */
  digestsOf(repository: string, tags: readonly string[]): Promise<ReadonlyMap<string, Digest>>;
  /** Up to `limit` tags of the repository after `last`, in byte order. */
  tagsIn(
    repository: string,
    page: { readonly last: string; readonly limit: number },
  ): Promise<readonly string[]>;
  /** Whether an index may name manifests that the repository does not have. */
  allowsSparseIndexes(repository: string): Promise<boolean>;
  /** Resolves when all of these show what was recorded up to the position. */
  reached(position: bigint): Promise<void>;
}
