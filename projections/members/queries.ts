import { type ExpressionBuilder, type Kysely, type SqlBool, sql } from 'kysely';
import type { Role } from '../../domain/access/role.ts';
import type { Entity } from '../../domain/member/events.ts';
import { type Listing, maxRows, type Page } from '../listing.ts';
import type { MembersDatabase } from './projection.ts';

/** A user, with the groups that he is in. */
export interface RoleHolder {
  readonly userId: number;
  readonly groupIds?: readonly number[];
}

/**
 * The roles that the user has in the project of this number, each once: a name may have been that of another project
 * before.
 */
export async function rolesOf(
  db: Kysely<MembersDatabase>,
  projectId: number,
  holder: RoleHolder,
): Promise<Role[]> {
  const rows = await db
    .selectFrom('members')
    .select('role')
    .distinct()
    .where('project_id', '=', projectId)
    .where(heldBy(holder))
    .execute();
  return rows.map(({ role }) => role);
}

/** The projects that the user is a member of, by himself or by his groups, with each role in each. */
export const membershipsOf = (
  db: Kysely<MembersDatabase>,
  holder: RoleHolder,
): Promise<{ readonly projectId: number; readonly role: Role }[]> =>
  db
    .selectFrom('members')
    .select(['project_id as projectId', 'role'])
    .distinct()
    .where(heldBy(holder))
    .execute();

const heldBy =
  ({ userId, groupIds = [] }: RoleHolder) =>
  (eb: ExpressionBuilder<MembersDatabase, 'members'>) =>
    groupIds.length === 0
      ? eb('user_id', '=', userId)
      : eb.or([
          eb('user_id', '=', userId),
          eb('group_id', 'in', eb.selectFrom('groups').select('group_id').where('group_id', 'in', groupIds)),
        ]);

export interface Member extends Entity {
  readonly memberId: number;
  readonly projectId: number;
  /** As the user or the group is called now. */
  readonly entityName: string;
  readonly role: Role;
}

const entityName = sql<string>`coalesce(groups.name, members.name)`;

/** The members of a project, without groups that were deleted. */
const membersOf = (db: Kysely<MembersDatabase>, projectId: number) =>
  db
    .selectFrom('members')
    .leftJoin('groups', 'groups.group_id', 'members.group_id')
    .where('project_id', '=', projectId)
    .where(sql<SqlBool>`(members.group_id IS NULL OR groups.group_id IS NOT NULL)`);

const found = (db: Kysely<MembersDatabase>, projectId: number) =>
  membersOf(db, projectId).select([
    'member_id as memberId',
    'project_id as projectId',
    sql<Entity['entityType']>`CASE WHEN user_id IS NULL THEN 'group' ELSE 'user' END`.as('entityType'),
    sql<number>`coalesce(user_id, members.group_id)`.as('entityId'),
    entityName.as('entityName'),
    'role',
  ]);

/** @param name undefined for every member; `total` counts every member in any case, as Harbor does. */
export async function listMembers(
  db: Kysely<MembersDatabase>,
  projectId: number,
  name: string | undefined,
  { offset, limit = maxRows }: Pick<Listing, 'offset' | 'limit'>,
): Promise<Page<Member>> {
  const all = found(db, projectId);
  const [rows, { total }] = await Promise.all([
    (name === undefined ? all : all.where(entityName, '=', name))
      .orderBy('entityName')
      .orderBy('memberId')
      .offset(offset)
      .limit(limit)
      .execute(),
    // The members of one project, by an index.
    membersOf(db, projectId)
      .select(({ fn }) => fn.countAll<bigint>().as('total'))
      .executeTakeFirstOrThrow(),
  ]);
  return { rows, total: Number(total) };
}

/** How many members have each role in the project. */
export async function countRoles(
  db: Kysely<MembersDatabase>,
  projectId: number,
): Promise<ReadonlyMap<Role, number>> {
  const rows = await membersOf(db, projectId)
    .select(({ fn }) => ['role', fn.countAll<bigint>().as('count')])
    .groupBy('role')
    .execute();
  return new Map(rows.map(({ role, count }) => [role, Number(count)]));
}

export const findMember = (
  db: Kysely<MembersDatabase>,
  projectId: number,
  memberId: number,
): Promise<Member | undefined> => found(db, projectId).where('member_id', '=', memberId).executeTakeFirst();

export const findMembership = (
  db: Kysely<MembersDatabase>,
  projectId: number,
  { entityType, entityId }: Entity,
): Promise<Member | undefined> =>
  found(db, projectId)
    .where(entityType === 'user' ? 'user_id' : 'members.group_id', '=', entityId)
    .executeTakeFirst();
