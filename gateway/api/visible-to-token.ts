import type { Principal } from '../../domain/access/principal.ts';
import type { Visible } from '../../projections/projects/queries.ts';

/**
 * Of the projects that its user sees in a list, those that a limited access token was made for.
 * @param memberOf the numbers of the projects that its user is a member of
 * @param isPublic whether all public ones are among them
 */
export function visibleToToken(
  { permissions, administrator }: Extract<Principal, { kind: 'access-token' }>,
  memberOf: readonly number[],
  isPublic: boolean,
): Visible {
  const scopes = permissions.map(({ scope }) => scope);
  const isForAll = scopes.some(({ kind }) => kind === 'projects');
  if (isForAll && administrator) return { kind: 'all' };
  const named = scopes.flatMap((scope) => (scope.kind === 'project' ? [scope.projectId] : []));
  const projectIds = isForAll ? memberOf : named.filter((id) => administrator || memberOf.includes(id));
  return { kind: 'some', public: isPublic, projectIds, names: [] };
}
