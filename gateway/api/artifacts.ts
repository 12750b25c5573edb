import type { FastifyInstance } from 'fastify';
import { parseDigest } from '../../domain/digest.ts';
import { projectOf, repositoryName, tagName } from '../../domain/repository.ts';
import { hasLabels } from '../../projections/labels/queries.ts';
import type { Listing } from '../../projections/listing.ts';
import type { Project } from '../../projections/projects/queries.ts';
import type { ArtifactsOf } from '../../projections/repositories/artifact-ids.ts';
import type { Access } from './access.ts';
import { creates, lists, nothing, shows } from './answer-forms.ts';
import {
  accessoryAnswer,
  artifactAnswer,
  shownAccessory,
  shownArtifacts,
  type With,
  withFlags,
} from './artifact-form.ts';
import { badRequest, denied, notFound, unauthorized } from './faults.ts';
import {
  artifactAt,
  artifactNamed,
  artifactPath,
  artifactUnknown,
  fullName,
  repositoryAt,
  repositoryPath,
} from './in-repository.ts';
import { listsInParts } from './list-in-parts.ts';
import { operation } from './operation.ts';
import { flag, required, text } from './parameter-forms.ts';
import type { ApiPorts } from './ports.ts';
import { exactly, labelsAsked } from './query.ts';

/** How many artifacts are looked up together. */
const partSize = 100;

/** Harbor's `artifact` operations on artifacts themselves. */
export function artifactRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { contents } = ports;

  /** The ids of a page are found at once, and what is shown of them in parts. */
  async function listed(of: ArtifactsOf, project: Project, listing: Listing, asked: With) {
    const labelIds = labelsAsked(listing);
    const labelled = labelIds.length === 0 ? [] : [hasLabels(labelIds, of)];
    const { ids, total } = await contents.findArtifactIds(of, listing, labelled);
    async function* parts() {
      for (let next = 0; next < ids.length; next += partSize) {
        const artifacts = await contents.findArtifacts(ids.slice(next, next + partSize));
        yield await shownArtifacts(ports, project, artifacts, asked);
      }
    }
    return { total, parts: parts() };
  }

  operation(
    api,
    {
      id: 'listArtifacts',
      tag: 'artifact',
      method: 'GET',
      path: `${repositoryPath}/artifacts`,
      summary: 'The artifacts of a repository, those pushed last first.',
      query: withFlags,
      answer: listsInParts(artifactAnswer),
    },
    async ({ request, path, query, listing }) => {
      const { project } = await access.inProject(request, 'artifact:list');
      const { name } = await repositoryAt(ports, path);
      return listed({ repository: name }, project, listing, query);
    },
  );

  operation(
    api,
    {
      id: 'listArtifactsOfProject',
      tag: 'project',
      method: 'GET',
      path: '/projects/:project_name_or_id/artifacts',
      summary: 'The artifacts of a project, those pushed last first.',
      query: { ...withFlags, latest_in_repository: flag },
      headers: { 'X-Is-Resource-Name': 'Whether the path has a name, also where it looks like an id' },
      answer: listsInParts(artifactAnswer),
    },
    async ({ request, query, listing }) => {
      const { principal, project } = await access.inProject(request, 'artifact:list');
      if (principal.kind === 'anonymous') throw unauthorized();
      if (query.latest_in_repository === true) requireOneKind(listing);
      const of = { project: project.name, latest: query.latest_in_repository === true };
      return listed(of, project, listing, query);
    },
  );

  operation(
    api,
    {
      id: 'getArtifact',
      tag: 'artifact',
      method: 'GET',
      path: artifactPath,
      summary: 'An artifact, by a tag or its digest.',
      query: withFlags,
      answer: shows(artifactAnswer),
    },
    async ({ request, path, query }) => {
      const { project } = await access.inProject(request, 'artifact:read');
      const artifact = await artifactAt(ports, path);
      const [shown] = await shownArtifacts(ports, project, [artifact], query);
      if (shown === undefined) throw artifactUnknown(artifact.repository, path.reference);
      return shown;
    },
  );

  operation(
    api,
    {
      id: 'deleteArtifact',
      tag: 'artifact',
      method: 'DELETE',
      path: artifactPath,
      summary:
        'Deletes an artifact with its tags, its accessories, and those of its parts that nothing else needs.',
      answer: nothing,
    },
    async ({ request, path }) => {
      const { metadata } = await access.inProject(request, 'artifact:delete');
      const { repository, digest } = await artifactAt(ports, path);
      if (!(await contents.deleteArtifact({ repository, digest }, metadata)))
        throw artifactUnknown(repository, path.reference);
    },
  );

  operation(
    api,
    {
      id: 'CopyArtifact',
      tag: 'artifact',
      method: 'POST',
      path: `${repositoryPath}/artifacts`,
      summary: 'Copies an artifact from another repository, with its tags, its parts and its accessories.',
      query: {
        from: required(
          text.meta({
            parameter: { type: 'string', description: '`<project>/<repository>:<tag>` or `…@<digest>`' },
          }),
        ),
      },
      answer: creates,
    },
    async ({ request, path, query }) => {
      const asker = await access.inProject(request, 'artifact:create');
      const { repository, reference } = sourceIn(query.from);
      await access.inNamedProject(asker, projectOf(repository), 'artifact:read');
      const to = fullName(path);
      if (to === undefined) throw badRequest(`${path.repository_name} can be no name of a repository`);
      const source = await artifactNamed(ports, repository, reference);
      if (source === undefined) throw artifactUnknown(repository, reference);
      if (source.accessory !== null) throw denied('an accessory is copied with its subject alone');
      const from = { repository, digest: source.digest };
      const confirm = async () => {
        const { project } = await access.inNamedProject(asker, path.project_name, 'artifact:create');
        // Another one may have the name by now.
        if (project.projectId !== asker.project.projectId)
          throw notFound(`project ${path.project_name} not found`);
      };
      if (!(await contents.copyArtifact({ from, to, confirm }, asker.metadata)))
        throw artifactUnknown(repository, reference);
      return { id: reference };
    },
  );

  operation(
    api,
    {
      id: 'listAccessories',
      tag: 'artifact',
      method: 'GET',
      path: `${artifactPath}/accessories`,
      summary: 'The accessories of an artifact, those pushed last first.',
      answer: lists(accessoryAnswer),
    },
    async ({ request, path, listing }) => {
      await access.inProject(request, 'accessory:list');
      const artifact = await artifactAt(ports, path);
      const { rows, total } = await contents.listAccessories(artifact, listing);
      return { rows: rows.map((accessory) => shownAccessory(artifact, accessory)), total };
    },
  );
}

/** @throws RequestRefused 400 */
function sourceIn(from: string): { readonly repository: string; readonly reference: string } {
  const [, name = '', digest, tag] = /^([^@:]+)(?:@(.+)|:([^:]+))$/.exec(from) ?? [];
  const reference = digest ?? tag ?? '';
  const isReference =
    digest === undefined ? tagName.safeParse(tag).success : parseDigest(digest) !== undefined;
  if (!isReference || !name.includes('/') || !repositoryName.safeParse(name).success)
    throw badRequest(`from is <project>/<repository>:<tag> or <project>/<repository>@<digest>, not ${from}`);
  return { repository: name, reference };
}

/** The newest of each repository are asked for of one kind, as with Harbor. @throws RequestRefused 400 */
function requireOneKind(listing: Pick<Listing, 'filters'>): void {
  const kinds = ['media_type', 'artifact_type'].filter((key) => exactly(listing, key) !== undefined);
  if (kinds.length !== 1)
    throw badRequest('latest_in_repository needs exactly one of media_type and artifact_type in q');
}
