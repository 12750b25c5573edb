import type { FastifyRequest } from 'fastify';
import type { Project } from '../../projections/projects/queries.ts';
import { storable } from './parameter-forms.ts';
import { flagHeader } from './parameters.ts';
import type { ApiPorts } from './ports.ts';

/** The project that the path names, by its number or its name, and how it is called there. */
export interface NamedProject {
  readonly named: string;
  find(): Promise<Project | undefined>;
}

/** @throws RequestRefused 422 for an X-Is-Resource-Name that says neither yes nor no */
export function projectNamedIn(
  request: FastifyRequest,
  queries: Pick<ApiPorts['queries'], 'findProject' | 'findProjectById'>,
): NamedProject {
  const { project_name, project_name_or_id } = request.params as Record<string, string | undefined>;
  const named = project_name ?? project_name_or_id ?? '';
  const isName =
    project_name !== undefined ||
    flagHeader(request, 'X-Is-Resource-Name') === true ||
    !/^\d{1,15}$/.test(named);
  return {
    named,
    find: () => (isName ? queries.findProject(named) : queries.findProjectById(storable(Number(named)))),
  };
}
