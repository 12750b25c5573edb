import { type Kysely, type SqlBool, sql } from 'kysely';
import type { GroupType } from '../../domain/user-group/events.ts';
import { containing, type Listing, maxRows, type Page } from '../listing.ts';
import type { UserGroupsDatabase } from './projection.ts';

export interface ListedUserGroup {
  readonly groupId: number;
  readonly groupType: GroupType;
  readonly name: string;
  readonly dn: string | null;
}

const listed = ['group_id as groupId', 'group_type as groupType', 'name', 'dn'] as const;

/** @param part a part of the name in any case of its letters; undefined for every group. */
export async function listUserGroups(
  db: Kysely<UserGroupsDatabase>,
  part: string | undefined,
  { offset, limit = maxRows }: Pick<Listing, 'offset' | 'limit'>,
): Promise<Page<ListedUserGroup>> {
  const named = part === undefined ? sql<SqlBool>`true` : containing('name', part);
  const all = db.selectFrom('user_groups').where(named);
  const [rows, { total }] = await Promise.all([
    all.select(listed).orderBy('name').orderBy('group_id').offset(offset).limit(limit).execute(),
    // There are as many groups as an organisation has made known, which are counted soon enough.
    all.select(({ fn }) => fn.countAll<bigint>().as('total')).executeTakeFirstOrThrow(),
  ]);
  return { rows, total: Number(total) };
}

export const findUserGroup = (
  db: Kysely<UserGroupsDatabase>,
  groupId: number,
): Promise<ListedUserGroup | undefined> =>
  db.selectFrom('user_groups').select(listed).where('group_id', '=', groupId).executeTakeFirst();

/** In a directory several groups may have one name; then it is the first of them. */
export const findUserGroupByName = (
  db: Kysely<UserGroupsDatabase>,
  groupType: GroupType,
  name: string,
): Promise<ListedUserGroup | undefined> =>
  db
    .selectFrom('user_groups')
    .select(listed)
    .where('name', '=', name)
    .where('group_type', '=', groupType)
    .orderBy('group_id')
    .executeTakeFirst();
