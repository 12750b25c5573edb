import type { FastifyInstance } from 'fastify';
import { authorize } from '../../domain/access/authorize.ts';
import { type Principal, userOf } from '../../domain/access/principal.ts';
import type { Role } from '../../domain/access/role.ts';
import type { Filter } from '../../projections/listing.ts';
import type { Visible } from '../../projections/projects/queries.ts';
import type { Access } from './access.ts';
import { lists } from './answer-forms.ts';
import { operation } from './operation.ts';
import { flag, text } from './parameter-forms.ts';
import type { ApiPorts } from './ports.ts';
import { projectAnswer, shownProjects } from './project-answer.ts';
import { visibleToToken } from './visible-to-token.ts';

/** Harbor's list of projects. */
export function projectListRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { queries } = ports;

  operation(
    api,
    {
      id: 'listProjects',
      tag: 'project',
      method: 'GET',
      path: '/projects',
      summary: 'The projects that the asker may see.',
      query: { name: text, owner: text, public: flag, with_detail: flag },
      answer: lists(projectAnswer),
    },
    async ({ request, listing, query: { name, owner, public: isPublic, with_detail: inDetail = true } }) => {
      const { principal } = await access.anyone(request);
      const filters: Filter[] = [
        ...listing.filters,
        ...(name === undefined ? [] : [{ key: 'name', kind: 'contains', value: name } as const]),
        ...(owner === undefined ? [] : [{ key: 'owner', kind: 'is', value: owner } as const]),
        ...(isPublic === undefined ? [] : [{ key: 'public', kind: 'is', value: String(isPublic) } as const]),
      ];
      const { visible, roles } = await sightOf(principal, isPublic);
      const { rows, total } = await queries.listProjects({ ...listing, filters }, visible);
      const rolesIn = ({ projectId }: { readonly projectId: number }) => roles.get(projectId) ?? [];
      return { rows: await shownProjects(ports, rows, rolesIn, inDetail), total };
    },
  );

  /** What `principal` may see in a list, and the roles that a user has by the number of the project. */
  async function sightOf(
    principal: Principal,
    isPublic: boolean | undefined,
  ): Promise<{ readonly visible: Visible; readonly roles: ReadonlyMap<number, readonly Role[]> }> {
    const user = userOf(principal);
    const memberships = user === undefined ? [] : await queries.membershipsOf(user);
    const roles = new Map(
      [...Map.groupBy(memberships, ({ projectId }) => projectId)].map(([projectId, all]) => [
        projectId,
        all.map(({ role }) => role),
      ]),
    );
    const given = principal.kind === 'robot' ? principal.permissions : [];
    const names = given.flatMap(({ scope }) => (scope.kind === 'project' ? [scope.project] : []));
    if (authorize(principal, 'project:list', { kind: 'system' }) || names.includes('*'))
      return { visible: { kind: 'all' }, roles };
    const projectIds = [...roles.keys()];
    if (principal.kind === 'access-token')
      return { visible: visibleToToken(principal, projectIds, isPublic !== false), roles };
    return { visible: { kind: 'some', public: isPublic !== false, projectIds, names }, roles };
  }
}
