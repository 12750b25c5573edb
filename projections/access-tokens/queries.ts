import type { Kysely } from 'kysely';
import type { TokenPermission } from '../../domain/access/principal.ts';
import { countOf, filtered, pageOf } from '../list-page.ts';
import { type Columns, type Listing, orderOf, type Page } from '../listing.ts';
import type { AccessTokensDatabase } from './projection.ts';

export interface LoginAccessToken {
  readonly tokenId: number;
  readonly userId: number;
  readonly username: string;
  /** Null for everything that the user may. */
  readonly permissions: readonly TokenPermission[] | null;
  /** Null for never. */
  readonly expiresAt: Date | null;
  readonly secretHash: string;
}

const columnsOfAll = [
  'token_id as tokenId',
  'user_id as userId',
  'username',
  'permissions',
  'expires_at as expiresAt',
] as const;

export const findAccessToken = (
  db: Kysely<AccessTokensDatabase>,
  tokenId: number,
): Promise<LoginAccessToken | undefined> =>
  db
    .selectFrom('access_tokens')
    .select([...columnsOfAll, 'secret_hash as secretHash'])
    .where('token_id', '=', tokenId)
    .executeTakeFirst();

/** An access token as the management API shows it. */
export interface ListedAccessToken extends Omit<LoginAccessToken, 'secretHash'> {
  readonly name: string;
  readonly description: string;
  readonly createdAt: Date;
}

const listed = [...columnsOfAll, 'name', 'description', 'created_at as createdAt'] as const;

/** The keys that lists of tokens are filtered and sorted by. */
const columns: Columns = {
  name: { column: 'name', type: 'text' },
  id: { column: 'token_id', type: 'integer' },
  description: { column: 'description', type: 'text' },
  creationtime: { column: 'created_at', type: 'time' },
  expiresat: { column: 'expires_at', type: 'time' },
};

/** Those of one user, who has a bounded number of them. */
export async function listAccessTokens(
  db: Kysely<AccessTokensDatabase>,
  userId: number,
  listing: Listing,
): Promise<Page<ListedAccessToken>> {
  const all = filtered(
    db.selectFrom('access_tokens').where('user_id', '=', userId),
    listing.filters,
    columns,
  );
  const page = all.select(listed).orderBy(orderOf(listing, columns, ['name']));
  return pageOf(page, countOf(all), listing);
}

export const findListedAccessToken = (
  db: Kysely<AccessTokensDatabase>,
  userId: number,
  tokenId: number,
): Promise<ListedAccessToken | undefined> =>
  db
    .selectFrom('access_tokens')
    .select(listed)
    .where('token_id', '=', tokenId)
    .where('user_id', '=', userId)
    .executeTakeFirst();
