import { authorize } from './authorize.ts';
import type { Permission } from './permission.ts';
import { accessTokenOf, type Principal } from './principal.ts';

/** Where a permission is to be given: for the system, in one project, or in every project. */
export type GivenScope =
  | { readonly kind: 'system' }
  | { readonly kind: 'projects' }
  | { readonly kind: 'project'; readonly project: string; readonly projectId: number };

/**
 * Whether `principal` may give the permission to a robot account that it creates or changes. Robot accounts and access
 * tokens give nothing that they do not have; what everybody may do somewhere is not theirs to give.
 */
export function mayGive(principal: Principal, permission: Permission, scope: GivenScope): boolean {
  // With that one sets passwords and makes administrators, which is more than any access token may.
  if (permission === 'user:update' && accessTokenOf(principal) !== undefined) return false;
  switch (principal.kind) {
    case 'anonymous':
      return false;
    case 'user':
      return true;
    case 'access-token':
      return principal.permissions.some(
        (own) => own.access.includes(permission) && isWithin(scope, own.scope),
      );
    case 'robot': {
      if (scope.kind === 'system') return authorize(principal, permission, scope);
      if (scope.kind === 'projects')
        return principal.permissions.some(
          (own) =>
            own.scope.kind === 'project' && own.scope.project === '*' && own.access.includes(permission),
        );
      const project = { name: scope.project, projectId: scope.projectId, public: false };
      return authorize(principal, permission, { kind: 'project', project, roles: [] });
    }
  }
}

function isWithin(inner: GivenScope, outer: GivenScope): boolean {
  if (inner.kind === 'system' || outer.kind === 'system') return inner.kind === outer.kind;
  if (outer.kind === 'projects') return true;
  return inner.kind === 'project' && inner.projectId === outer.projectId;
}
