import { permissionsByRole, permissionsInPublic } from './matrix.ts';
import type { Permission } from './permission.ts';
import { isOfProject, type Principal, type TokenPermission } from './principal.ts';
import type { Role } from './role.ts';

export interface ProjectScope {
  readonly kind: 'project';
  /** Null where it does not exist. */
  readonly project: {
    readonly name: string;
    /** Tells it from an earlier project of the same name. */
    readonly projectId: number;
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
  if (isOpen(permission, scope)) return true;
  switch (principal.kind) {
    case 'anonymous':
      return false;
    case 'user':
      return userMay(principal, permission, scope);
    case 'access-token':
      // Never more than its user may at this moment, whatever it was given.
      return includes(principal, permission, scope) && userMay(principal, permission, scope);
    case 'robot':
      if (scope.kind === 'system') return grants(principal, permission, null);
      return scope.project !== null && grants(principal, permission, scope.project.name);
  }
}

/** Whether everybody may, logged in or not, and by whatever credential. */
function isOpen(permission: Permission, scope: Scope): boolean {
  if (scope.kind === 'system' || scope.project === null) return false;
  if (scope.project.public && permissionsInPublic.has(permission)) return true;
  return scope.project.anonymousWrite === true && openToWriters.has(permission);
}

function userMay(
  { administrator }: { readonly administrator: boolean },
  permission: Permission,
  scope: Scope,
): boolean {
  if (administrator) return true;
  if (scope.kind === 'system' || scope.project === null) return false;
  return scope.roles.some((role) => permissionsByRole.get(role)?.has(permission));
}

/** Whether the token was made for it; what its user may is another question. */
export function includes(
  { permissions }: Extract<Principal, { kind: 'access-token' }>,
  permission: Permission,
  where: Scope,
): boolean {
  return permissions.some(({ scope, access }) => isAt(scope, where) && access.includes(permission));
}

function isAt(scope: TokenPermission['scope'], where: Scope): boolean {
  if (where.kind === 'system' || scope.kind === 'system') return where.kind === scope.kind;
  // Also for a project that is not there: an administrator is told so, as he is without a token.
  return scope.kind === 'projects' || scope.projectId === where.project?.projectId;
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
