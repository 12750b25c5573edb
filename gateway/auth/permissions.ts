import { authorize } from '../../domain/access/authorize.ts';
import type { Principal } from '../../domain/access/principal.ts';
import type { Role } from '../../domain/access/role.ts';
import { projectOf } from '../../domain/repository.ts';
import type { ResourceActions } from './scopes.ts';

export interface KnownProject {
  readonly name: string;
  /** Tells it from an earlier project of the same name. */
  readonly projectId: number;
  readonly public: boolean;
  /** Whether the operator lets everybody write to it. */
  readonly anonymousWrite?: boolean;
}

export interface PermissionPorts {
  findProject(name: string): Promise<KnownProject | undefined>;
  /** The roles that the principal has in the project of this number. */
  rolesOf(principal: Principal, projectId: number): Promise<readonly Role[]>;
}

/** What a route needs, in the words of the token specification. */
export type Action = 'pull' | 'push' | 'delete';

export interface Standing {
  /** Null where it does not exist. */
  readonly project: KnownProject | null;
  may(action: Action): boolean;
}

/** What the principal may do now in the project of `repository`; all that the log has recorded counts at once. */
export async function standingIn(
  { findProject, rolesOf }: PermissionPorts,
  principal: Principal,
  repository: string,
): Promise<Standing> {
  const project = (await findProject(projectOf(repository))) ?? null;
  const roles = project === null ? [] : await rolesOf(principal, project.projectId);
  const scope = { kind: 'project', project, roles } as const;
  return { project, may: (action) => authorize(principal, `repository:${action}`, scope) };
}

export const mayListCatalog = (principal: Principal): boolean =>
  authorize(principal, 'catalog:read', { kind: 'system' });

/** Of what was asked for, what the principal may and what not. Less than asked for is no error. */
export async function grant(
  ports: PermissionPorts,
  principal: Principal,
  asked: readonly ResourceActions[],
): Promise<{ readonly access: ResourceActions[]; readonly refused: ResourceActions[] }> {
  const standings = new Map<string, Promise<Standing>>();
  const standing = (repository: string): Promise<Standing> => {
    const project = projectOf(repository);
    const known = standings.get(project) ?? standingIn(ports, principal, repository);
    standings.set(project, known);
    return known;
  };
  const split = await Promise.all(
    asked.map(async ({ type, name, actions }) => {
      const may = type === 'registry' ? () => mayListCatalog(principal) : (await standing(name)).may;
      const allowed = actions.filter((action) => may(action as Action));
      const denied = actions.filter((action) => !allowed.includes(action));
      return { access: { type, name, actions: allowed }, refused: { type, name, actions: denied } };
    }),
  );
  return {
    access: split.map(({ access }) => access).filter(hasActions),
    refused: split.map(({ refused }) => refused).filter(hasActions),
  };
}

const hasActions = ({ actions }: ResourceActions): boolean => actions.length > 0;
