import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Listing } from '../../projections/listing.ts';
import type { SearchKind } from '../../projections/search/queries.ts';
import type { Access } from './access.ts';
import { shows } from './answer-forms.ts';
import { unprocessable } from './faults.ts';
import { operation } from './operation.ts';
import { text } from './parameter-forms.ts';
import type { ApiPorts } from './ports.ts';
import { projectAnswer, shownProjects } from './project-answer.ts';
import type { SearchPorts } from './search.ts';
import { sightOf } from './sight.ts';

/** Harbor's `SearchRepository`. */
const repositoryFound = z
  .object({
    project_id: z.int(),
    project_name: z.string(),
    project_public: z.boolean(),
    repository_name: z.string().describe('The full name'),
    pull_count: z.int(),
    artifact_count: z.int(),
  })
  .meta({ id: 'SearchRepository' });

const found = z
  .object({ project: z.array(projectAnswer), repository: z.array(repositoryFound) })
  .meta({ id: 'Search' });

/** Harbor finds everything, without pages; who looks for one thing among more than these writes more of its name. */
const maxFound = 500;
/** No name is longer. */
const maxLength = 255;

/** Harbor's `search` operation. */
export function searchNamesRoutes(api: FastifyInstance, ports: ApiPorts & SearchPorts, access: Access): void {
  const { contents, queries } = ports;

  operation(
    api,
    {
      id: 'search',
      tag: 'search',
      method: 'GET',
      path: '/search',
      summary: `Projects and repositories with a text in their names, the best first and at most ${maxFound} of each.`,
      query: {
        q: text.meta({ parameter: { type: 'string', description: 'Has to be there, and can be empty' } }),
      },
      answer: shows(found),
    },
    async ({ request, query: { q: sought = '' } }) => {
      if (!Object.hasOwn(request.query as object, 'q')) throw unprocessable('q in query is required');
      const { principal } = await access.anyone(request);
      const { visible, roles } = await sightOf(ports, principal);
      const namesOf = async (kind: SearchKind): Promise<readonly string[]> =>
        sought.length > maxLength
          ? []
          : (await ports.searchFor(kind, sought, visible, maxFound)).map((hit) => hit.text);
      const [projectNames, repositoryNames] = await Promise.all([namesOf('project'), namesOf('repository')]);
      const holders = repositoryNames.map((name) => name.slice(0, name.indexOf('/')));
      // Between these questions something may have gone, which is then left out.
      const [{ rows: projects }, { rows: repositories }] = await Promise.all([
        queries.listProjects(named([...projectNames, ...holders]), visible),
        contents.listRepositoriesOf(named(repositoryNames), visible),
      ]);
      const projectsByName = new Map(projects.map((project) => [project.name, project]));
      const repositoriesByName = new Map(repositories.map((repository) => [repository.name, repository]));
      return {
        // Of projects Harbor minds the case.
        project: await shownProjects(
          ports,
          presentOf(
            projectNames.filter((name) => name.includes(sought)),
            projectsByName,
          ),
          ({ projectId }) => roles.get(projectId) ?? [],
          true,
        ),
        repository: presentOf(repositoryNames, repositoriesByName).map((repository) => ({
          project_id: repository.projectId,
          project_name: repository.project,
          project_public: projectsByName.get(repository.project)?.public ?? false,
          repository_name: repository.name,
          pull_count: repository.pullCount,
          artifact_count: repository.artifactCount,
        })),
      };
    },
  );
}

const named = (names: readonly string[]): Listing => ({
  filters: [{ key: 'name', kind: 'any', values: names }],
  sort: [],
  offset: 0,
  limit: undefined,
});

const presentOf = <Value>(names: readonly string[], values: ReadonlyMap<string, Value>): Value[] =>
  names.flatMap((name) => values.get(name) ?? []);
