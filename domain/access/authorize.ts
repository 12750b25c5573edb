import type { Permission } from './permission.ts';
import type { Principal } from './principal.ts';
import type { Role } from './role.ts';

/** Where something is to be done. */
export type Scope =
  | { readonly kind: 'system' }
  | {
      readonly kind: 'project';
      /** Null where it does not exist. */
      readonly project: { readonly name: string; readonly public: boolean } | null;
      /** The roles that the principal has in it. */
      readonly roles: readonly Role[];
    };

/** The one place that says who may do what; whatever is not allowed here is denied. */
export function authorize(principal: Principal, permission: Permission, scope: Scope): boolean {
  if (principal.kind === 'user' && principal.administrator) return true;
  return permission === 'repository:pull' && scope.kind === 'project' && scope.project?.public === true;
}
