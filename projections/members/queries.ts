import type { Kysely } from 'kysely';
import type { Role } from '../../domain/access/role.ts';
import type { Listing, Page } from '../listing.ts';
import type { MembersDatabase } from './projection.ts';

/** The roles that the user has in the project of this number: a name may have been that of another project before. */
export async function rolesOf(
  db: Kysely<MembersDatabase>,
  projectId: number,
  userId: number,
): Promise<Role[]> {
  const rows = await db
    .selectFrom('members')
    .select('role')
    .where('user_id', '=', userId)
    .where('project_id', '=', projectId)
    .execute();
  return rows.map(({ role }) => role);
}

/** The projects that the user is a member of, with the role in each. */
export const membershipsOf = (
  db: Kysely<MembersDatabase>,
  userId: number,
): Promise<{ readonly projectId: number; readonly role: Role }[]> =>
  db
    .selectFrom('members')
    .select(['project_id as projectId', 'role'])
    .where('user_id', '=', userId)
    .execute();

export interface Member {
  readonly memberId: number;
  readonly projectId: number;
  readonly userId: number;
  readonly username: string;
  readonly role: Role;
}

const listed = [
  'member_id as memberId',
  'project_id as projectId',
  'user_id as userId',
  'username',
  'role',
] as const;

/** @param username undefined for every member; `total` counts every member in any case, as Harbor does. */
export async function listMembers(
  db: Kysely<MembersDatabase>,
  projectId: number,
  username: string | undefined,
  { offset, limit }: Pick<Listing, 'offset' | 'limit'>,
): Promise<Page<Member>> {
  const all = db.selectFrom('members').where('project_id', '=', projectId);
  const page = (username === undefined ? all : all.where('username', '=', username))
    .select(listed)
    .orderBy('username')
    .orderBy('member_id')
    .offset(offset);
  const [rows, { total }] = await Promise.all([
    (limit === undefined ? page : page.limit(limit)).execute(),
    // The members of one project, by an index.
    all.select(({ fn }) => fn.countAll<bigint>().as('total')).executeTakeFirstOrThrow(),
  ]);
  return { rows, total: Number(total) };
}

export const findMember = (
  db: Kysely<MembersDatabase>,
  projectId: number,
  memberId: number,
): Promise<Member | undefined> =>
  db
    .selectFrom('members')
    .select(listed)
    .where('project_id', '=', projectId)
    .where('member_id', '=', memberId)
    .executeTakeFirst();

export const findMembership = (
  db: Kysely<MembersDatabase>,
  projectId: number,
  userId: number,
): Promise<Member | undefined> =>
  db
    .selectFrom('members')
    .select(listed)
    .where('project_id', '=', projectId)
    .where('user_id', '=', userId)
    .executeTakeFirst();
