import type { Addition } from '../../../domain/artifact/addition.ts';

/** How the answer for an artifact says where its additions are; Harbor's clients decode the repository's name twice. */
export function additionLinks(
  {
    project,
    repository,
    digest,
  }: { readonly project: string; readonly repository: string; readonly digest: string },
  additions: readonly Addition[],
): Readonly<Record<string, { readonly href: string; readonly absolute: boolean }>> {
  const encoded = encodeURIComponent(encodeURIComponent(repository));
  const artifact = `/api/v2.0/projects/${project}/repositories/${encoded}/artifacts/${digest}`;
  return Object.fromEntries(
    additions.map((name) => [name, { href: `${artifact}/additions/${name}`, absolute: false }]),
  );
}
