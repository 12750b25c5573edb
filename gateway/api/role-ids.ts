import { type Role, roles } from '../../domain/access/role.ts';

/** Harbor's numbers of the roles. */
export const roleIds: Readonly<Record<Role, number>> = {
  projectAdmin: 1,
  developer: 2,
  guest: 3,
  maintainer: 4,
  limitedGuest: 5,
};

export const roleOf = (roleId: number): Role | undefined => roles.find((role) => roleIds[role] === roleId);

/** The number of the mightiest of the roles, 0 for none. */
export function highestRole(held: readonly Role[]): number {
  const highest = roles.find((role) => held.includes(role));
  return highest === undefined ? 0 : roleIds[highest];
}
