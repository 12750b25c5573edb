import { type Kysely, sql } from 'kysely';
import { countOf, filtered, pageOf } from '../list-page.ts';
import { type Columns, type Listing, orderOf, type Page } from '../listing.ts';
import type { UsersDatabase } from './projection.ts';

export interface LoginUser {
  readonly username: string;
  readonly userId: number;
  readonly administrator: boolean;
  /** argon2id in PHC string format. */
  readonly passwordHash: string;
  /** Grows with each change of the password. */
  readonly credentialVersion: number;
}

/** @param usernameOrEmailKey a user name, or the keyed hash of an e-mail address; see `emailKeyOf`. */
export const findLoginUser = (
  db: Kysely<UsersDatabase>,
  usernameOrEmailKey: string,
): Promise<LoginUser | undefined> =>
  db
    .selectFrom('users')
    .select([
      'username',
      'user_id as userId',
      'administrator',
      'password_hash as passwordHash',
      'credential_version as credentialVersion',
    ])
    .where((row) =>
      row.or([row('username', '=', usernameOrEmailKey), row('email_key', '=', usernameOrEmailKey)]),
    )
    // A user may be called like the key of another one's address.
    .orderBy((row) => row('username', '=', usernameOrEmailKey), 'desc')
    .limit(1)
    .executeTakeFirst();

/** A user as the management API shows it, with a profile that its caller can open. */
export interface ListedUser {
  readonly username: string;
  readonly userId: number;
  readonly administrator: boolean;
  readonly emailKey: string | null;
  readonly profile: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const listed = [
  'username',
  'user_id as userId',
  'administrator',
  'email_key as emailKey',
  'profile',
  'created_at as createdAt',
  'updated_at as updatedAt',
] as const;

/** The keys that lists of users are filtered and sorted by. */
const columns: Columns = {
  username: { column: 'username', type: 'text' },
  userid: { column: 'user_id', type: 'integer' },
  sysadminflag: { column: 'administrator', type: 'boolean' },
  creationtime: { column: 'created_at', type: 'time' },
  updatetime: { column: 'updated_at', type: 'time' },
  emailkey: { column: 'email_key', type: 'text' },
};

/** The administrator of the first start, whom Harbor's lists leave out. */
const firstUser = 1;

export async function listUsers(db: Kysely<UsersDatabase>, listing: Listing): Promise<Page<ListedUser>> {
  const all = filtered(db.selectFrom('users').where('user_id', '<>', firstUser), listing.filters, columns);
  const page = all.select(listed).orderBy(orderOf(listing, columns, ['username']));
  // A table of persons is small enough to be counted each time.
  return pageOf(page, countOf(all), listing);
}

export const findUser = (db: Kysely<UsersDatabase>, userId: number): Promise<ListedUser | undefined> =>
  db.selectFrom('users').select(listed).where('user_id', '=', userId).executeTakeFirst();

export const findUserByName = (
  db: Kysely<UsersDatabase>,
  username: string,
): Promise<ListedUser | undefined> =>
  db.selectFrom('users').select(listed).where('username', '=', username).executeTakeFirst();

/** The numbers of those users that there are. */
export async function userIdsOf(
  db: Kysely<UsersDatabase>,
  usernames: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (usernames.length === 0) return new Map();
  const rows = await db
    .selectFrom('users')
    .select(['username', 'user_id'])
    // One parameter, where a statement has room for 65,535 and a list for more.
    .where('username', '=', sql<string>`ANY(${usernames})`)
    .execute();
  return new Map(rows.map(({ username, user_id }) => [username, user_id]));
}

/** Who owns what a robot creates. */
export const firstAdministrator = (
  db: Kysely<UsersDatabase>,
): Promise<{ readonly username: string; readonly userId: number } | undefined> =>
  db
    .selectFrom('users')
    .select(['username', 'user_id as userId'])
    .where('administrator', '=', true)
    .orderBy('user_id')
    .limit(1)
    .executeTakeFirst();

/** Users whose names contain `text`, the shortest names first. */
export async function searchUsers(
  db: Kysely<UsersDatabase>,
  text: string,
  { offset, limit }: Pick<Listing, 'offset' | 'limit'>,
): Promise<Page<{ readonly username: string; readonly userId: number }>> {
  const all = filtered(db.selectFrom('users'), [{ key: 'username', kind: 'contains', value: text }], columns);
  const page = all
    .select(['username', 'user_id as userId'])
    .orderBy(sql`length(username)`)
    .orderBy('username');
  return pageOf(page, countOf(all), { offset, limit });
}

export async function hasUsersBeside(db: Kysely<UsersDatabase>, userId: number): Promise<boolean> {
  const other = await db
    .selectFrom('users')
    .select('user_id')
    .where('user_id', '!=', userId)
    .limit(1)
    .execute();
  return other.length > 0;
}
