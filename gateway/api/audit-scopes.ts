import type { FastifyRequest } from 'fastify';
import { authorize } from '../../domain/access/authorize.ts';
import { type Principal, userOf } from '../../domain/access/principal.ts';
import type { AuditScope } from '../../projections/audit/queries.ts';
import type { Access } from './access.ts';
import type { ApiPorts } from './ports.ts';

/** Whether all is told to him that happens in the registry. */
export const readsEverything = (principal: Principal): boolean =>
  authorize(principal, 'audit-log:list', { kind: 'system' });

/** Of whom which part of the audit log can be read. */
export function auditScopes({ queries }: Pick<ApiPorts, 'queries'>, access: Access) {
  return { scopeOf };

  /** All of it for who may read that of the system, else that of the projects whose log he may read. */
  async function scopeOf(request: FastifyRequest): Promise<AuditScope> {
    const { principal } = await access.known(request);
    if (readsEverything(principal)) return { kind: 'everything' };
    return principal.kind === 'robot' ? scopeOfRobot(principal) : scopeOfUser(principal);
  }

  /** The projects that he is a member of, as far as his roles, and the token that he shows, go. */
  async function scopeOfUser(principal: Principal): Promise<AuditScope> {
    const user = userOf(principal);
    const memberships = user === undefined ? [] : await queries.membershipsOf(user);
    const roles = Map.groupBy(memberships, ({ projectId }) => projectId);
    const projectIds = [...roles].flatMap(([projectId, held]) => {
      // Whether a project is public says nothing about its log.
      const project = { name: '', projectId, public: false };
      const scope = { kind: 'project', project, roles: held.map(({ role }) => role) } as const;
      return authorize(principal, 'log:list', scope) ? [projectId] : [];
    });
    return { kind: 'projects', projectIds };
  }

  async function scopeOfRobot({ permissions }: Extract<Principal, { kind: 'robot' }>): Promise<AuditScope> {
    const names = permissions.flatMap(({ scope, access }) =>
      scope.kind === 'project' && access.includes('log:list') ? [scope.project] : [],
    );
    if (names.includes('*')) return { kind: 'every project' };
    if (names.length === 0) return { kind: 'projects', projectIds: [] };
    const { rows } = await queries.listProjects(
      { filters: [{ key: 'name', kind: 'any', values: names }], sort: [], offset: 0, limit: undefined },
      { kind: 'all' },
    );
    return { kind: 'projects', projectIds: rows.map(({ projectId }) => projectId) };
  }
}
