import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { escapedDescription } from '../../domain/repository/description.ts';
import type { Repository } from '../../projections/repositories/queries.ts';
import type { Access } from './access.ts';
import { lists, nothing, shows, time } from './answer-forms.ts';
import { badRequest } from './faults.ts';
import { repositoryAt, repositoryPath } from './in-repository.ts';
import { operation } from './operation.ts';
import type { ApiPorts } from './ports.ts';
import { sightOf } from './sight.ts';

/** Harbor's `Repository`. */
const repositoryAnswer = z
  .object({
    id: z.int(),
    project_id: z.int(),
    name: z.string().describe('The full name'),
    description: z.string(),
    artifact_count: z.int(),
    pull_count: z.int(),
    creation_time: time,
    update_time: time,
  })
  .meta({ id: 'Repository' });

const description = z.object({ description: z.string().nullish() });
const maxDescription = 16 * 1024;

const shown = (repository: Repository) => ({
  id: repository.id,
  project_id: repository.projectId,
  name: repository.name,
  description: repository.description,
  artifact_count: repository.artifactCount,
  pull_count: repository.pullCount,
  creation_time: repository.createdAt,
  update_time: repository.updatedAt,
});

/** Harbor's `repository` operations. */
export function repositoryRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { contents } = ports;

  operation(
    api,
    {
      id: 'listAllRepositories',
      tag: 'repository',
      method: 'GET',
      path: '/repositories',
      summary: 'The repositories of all projects that the caller may see, the newest first.',
      answer: lists(repositoryAnswer),
    },
    async ({ request, listing }) => {
      const { principal } = await access.anyone(request);
      const { visible } = await sightOf(ports, principal);
      const { rows, total } = await contents.listRepositoriesOf(listing, visible);
      return { rows: rows.map(shown), total };
    },
  );

  operation(
    api,
    {
      id: 'listRepositories',
      tag: 'repository',
      method: 'GET',
      path: '/projects/:project_name/repositories',
      summary: 'The repositories of a project, the newest first.',
      answer: lists(repositoryAnswer),
    },
    async ({ request, listing }) => {
      const { project } = await access.inProject(request, 'repository:list');
      const of = { kind: 'one', project: project.name } as const;
      const { rows, total } = await contents.listRepositoriesOf(listing, of);
      return { rows: rows.map(shown), total };
    },
  );

  operation(
    api,
    {
      id: 'getRepository',
      tag: 'repository',
      method: 'GET',
      path: repositoryPath,
      summary: 'A repository.',
      answer: shows(repositoryAnswer),
    },
    async ({ request, path }) => {
      await access.inProject(request, 'repository:read');
      return shown(await repositoryAt(ports, path));
    },
  );

  operation(
    api,
    {
      id: 'updateRepository',
      tag: 'repository',
      method: 'PUT',
      path: repositoryPath,
      summary: 'Describes a repository; the special characters of HTML are escaped.',
      body: description,
      answer: nothing,
    },
    async ({ request, path, body }) => {
      const { metadata } = await access.inProject(request, 'repository:update');
      const written = (await body()).description ?? '';
      if (written.length > maxDescription || written.includes('\0') || !written.isWellFormed())
        throw badRequest(`a description is a text of at most ${maxDescription} characters`);
      const { name, id } = await repositoryAt(ports, path);
      const described = { repository: name, repositoryId: id, description: escapedDescription(written) };
      await contents.describeRepository(described, metadata);
    },
  );

  operation(
    api,
    {
      id: 'deleteRepository',
      tag: 'repository',
      method: 'DELETE',
      path: repositoryPath,
      summary: 'Deletes a repository with all that it holds.',
      answer: nothing,
    },
    async ({ request, path }) => {
      const { metadata } = await access.inProject(request, 'repository:delete');
      const { name, id } = await repositoryAt(ports, path);
      await contents.deleteRepository({ repository: name, repositoryId: id }, metadata);
    },
  );
}
