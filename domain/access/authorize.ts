import { permissionsByRole, permissionsInPublic } from './matrix.ts';
import type { Permission } from './permission.ts';
import { isOfProject, type Principal } from './principal.ts';
import type { Role } from './role.ts';

export interface ProjectScope {
  readonly kind: 'project';
  /** Null where it does not exist. */
  readonly project: {
    readonly name: string;
    readonly public: boolean;
    /** Whether the operator lets everybody write to it: for closed networks and test rigs. */
    readonly anonymousWrite?: boolean;
  } | null;
  /** The roles that the principal has in it. */
  readonly roles: readonly Role[];
}

/** Where something is to be done. */
export type Scope = { readonly kind: 'system' } | ProjectScope;

/** What everybody may do where the operator lets everybody write. */
const openToWriters: ReadonlySet<Permission> = new Set([
  'repository:pull',
  'repository:push',
  'repository:delete',
]);

/** The one place that says who may do what; whatever is not allowed here is denied. */
export function authorize(principal: Principal, permission: Permission, scope: Scope): boolean {
  if (principal.kind === 'user' && principal.administrator) return true;
  if (scope.kind === 'system') return principal.kind === 'robot' && grants(principal, permission, null);
  const { project, roles } = scope;
  if (project === null) return false;
  if (project.public && permissionsInPublic.has(permission)) return true;
  if (project.anonymousWrite === true && openToWriters.has(permission)) return true;
  switch (principal.kind) {
    case 'anonymous':
      return false;
    case 'user':
      return roles.some((role) => permissionsByRole.get(role)?.has(permission));
    case 'robot':
      return grants(principal, permission, project.name);
  }
}

/** Whether the robot was given the permission in the project, or at the system level for null. */
function grants(
  robot: Extract<Principal, { kind: 'robot' }>,
  permission: Permission,
  project: string | null,
): boolean {
  const granted = robot.permissions
    .filter(({ scope }) =>
      scope.kind === 'system'
        ? project === null
        : project !== null && (scope.project === '*' || scope.project === project),
    )
    .flatMap(({ access }) => access);
  if (granted.includes(permission)) return true;
  // Harbor's rule for robots of a project alone: docker asks for pull whenever it pushes.
  return permission === 'repository:pull' && isOfProject(robot.name) && granted.includes('repository:push');
}
