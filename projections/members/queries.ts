import type { Kysely } from 'kysely';
import type { Role } from '../../domain/access/role.ts';
import type { MembersDatabase } from './projection.ts';

/** The roles that the user has in the project of this name. */
export async function rolesOf(
  db: Kysely<MembersDatabase>,
  projectName: string,
  userId: number,
): Promise<Role[]> {
  const rows = await db
    .selectFrom('members')
    .select('role')
    .where('user_id', '=', userId)
    .where('project', '=', projectName)
    .execute();
  return rows.map(({ role }) => role);
}
