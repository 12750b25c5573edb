import type { Addition } from '../../../domain/artifact/addition.ts';
import { projectOf } from '../../../domain/repository.ts';

/** How the answer for an artifact says where its additions are; Harbor's clients decode the repository's name twice. */
export function additionLinks(
  { repository, digest }: { readonly repository: string; readonly digest: string },
  additions: readonly Addition[],
): Readonly<Record<string, { readonly href: string; readonly absolute: boolean }>> {
  const project = projectOf(repository);
  const name = encodeURIComponent(encodeURIComponent(repository.slice(project.length + 1)));
  const artifact = `/api/v2.0/projects/${project}/repositories/${name}/artifacts/${digest}`;
  return Object.fromEntries(
    additions.map((addition) => [addition, { href: `${artifact}/additions/${addition}`, absolute: false }]),
  );
}
