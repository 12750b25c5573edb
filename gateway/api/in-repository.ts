import { parseDigest } from '../../domain/digest.ts';
import { repositoryName, tagName } from '../../domain/repository.ts';
import type { ListedArtifact } from '../../projections/repositories/artifacts.ts';
import type { Repository } from '../../projections/repositories/queries.ts';
import { notFound } from './faults.ts';
import type { RepositoryPorts } from './repository-ports.ts';

export const repositoryPath = '/projects/:project_name/repositories/:repository_name';
export const artifactPath = `${repositoryPath}/artifacts/:reference` as const;

interface RepositoryPath {
  readonly project_name: string;
  readonly repository_name: string;
}
interface ArtifactPath extends RepositoryPath {
  readonly reference: string;
}

/** The full name; undefined for what no repository can have. */
export function fullName({ project_name, repository_name }: RepositoryPath): string | undefined {
  const { data } = repositoryName.safeParse(`${project_name}/${repository_name}`);
  return data;
}

/** @throws RequestRefused 404 */
export async function repositoryAt(
  { contents }: Pick<RepositoryPorts, 'contents'>,
  path: RepositoryPath,
): Promise<Repository> {
  const name = fullName(path);
  const repository = name && (await contents.findRepository(name));
  if (!repository) throw notFound(`repository ${path.project_name}/${path.repository_name} not found`);
  return repository;
}

/** @throws RequestRefused 404 */
export async function artifactAt(
  { contents }: Pick<RepositoryPorts, 'contents'>,
  path: ArtifactPath,
): Promise<ListedArtifact> {
  const name = fullName(path);
  const artifact = name && (await artifactNamed({ contents }, name, path.reference));
  if (!artifact) throw artifactUnknown(`${path.project_name}/${path.repository_name}`, path.reference);
  return artifact;
}

/** @param reference a tag or a digest */
export async function artifactNamed(
  { contents }: Pick<RepositoryPorts, 'contents'>,
  repository: string,
  reference: string,
): Promise<ListedArtifact | undefined> {
  const digest = parseDigest(reference);
  if (digest !== undefined) return contents.findArtifact(repository, { kind: 'digest', digest });
  if (!tagName.safeParse(reference).success) return undefined;
  return contents.findArtifact(repository, { kind: 'tag', tag: reference });
}

export const artifactUnknown = (repository: string, reference: string) =>
  notFound(`artifact ${repository}${reference.includes(':') ? '@' : ':'}${reference} not found`);
