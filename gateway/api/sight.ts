import { authorize } from '../../domain/access/authorize.ts';
import type { Principal } from '../../domain/access/principal.ts';
import type { Role } from '../../domain/access/role.ts';
import type { Visible } from '../../projections/projects/queries.ts';
import type { ApiPorts } from './ports.ts';

export interface Sight {
  readonly visible: Visible;
  /** The roles of a user by the number of the project. */
  readonly roles: ReadonlyMap<number, readonly Role[]>;
}

/**
 * What `principal` finds in all projects at once. A robot finds what everybody finds, as with Harbor, and so does a
 * token that may not everything.
 */
export async function sightOf({ queries }: Pick<ApiPorts, 'queries'>, principal: Principal): Promise<Sight> {
  const memberships = principal.kind === 'user' ? await queries.membershipsOf(principal) : [];
  const roles = new Map(
    [...Map.groupBy(memberships, ({ projectId }) => projectId)].map(([projectId, all]) => [
      projectId,
      all.map(({ role }) => role),
    ]),
  );
  if (principal.kind === 'user' && authorize(principal, 'project:list', { kind: 'system' }))
    return { visible: { kind: 'all' }, roles };
  return { visible: { kind: 'some', public: true, projectIds: [...roles.keys()], names: [] }, roles };
}
