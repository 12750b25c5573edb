import { type Digest, parseDigest } from '../../domain/digest.ts';
import { repositoryName, tagName } from '../../domain/repository.ts';
import { notFound } from './faults.ts';

/** A manifest whose bytes are sound. */
export interface StoredArtifact {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
  /** The blob store's key of the bytes. */
  readonly key: string;
}

export interface ArtifactLookup {
  findTag(repository: string, tag: string): Promise<Digest | undefined>;
  findManifest(repository: string, digest: Digest): Promise<StoredArtifact | undefined>;
}

/** What the paths of Harbor's `artifact` operations name. */
export interface ArtifactPath {
  readonly project_name: string;
  readonly repository_name: string;
  readonly reference: string;
}

export const artifactPath = '/projects/:project_name/repositories/:repository_name/artifacts/:reference';

/** @throws RequestRefused 404, also for what can be no repository, tag or digest. */
export async function artifactIn(
  { findTag, findManifest }: ArtifactLookup,
  { project_name, repository_name, reference }: ArtifactPath,
): Promise<StoredArtifact & { readonly repository: string }> {
  const repository = `${project_name}/${repository_name}`;
  const isName = repositoryName.safeParse(repository).success;
  const digest = isName ? (parseDigest(reference) ?? (await tagged())) : undefined;
  const found = digest && (await findManifest(repository, digest));
  if (found === undefined) throw notFound(`artifact ${repository}:${reference} not found`);
  return { ...found, repository };

  async function tagged(): Promise<Digest | undefined> {
    return tagName.safeParse(reference).success ? findTag(repository, reference) : undefined;
  }
}
