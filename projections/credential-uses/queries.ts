import { type Kysely, sql } from 'kysely';
import type { CredentialKind } from '../../domain/credential-use/events.ts';
import type { CredentialUsesDatabase } from './projection.ts';

export interface LastUse {
  readonly at: Date;
  readonly from: string | null;
  readonly userAgent: string | null;
}

/** The last use of each of `ids` that was ever used. */
export async function lastUsesOf(
  db: Kysely<CredentialUsesDatabase>,
  kind: CredentialKind,
  ids: readonly number[],
): Promise<ReadonlyMap<number, LastUse>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom('credential_uses')
    .select(['id', 'used_at as at', 'used_from as from', 'user_agent as userAgent'])
    .where('kind', '=', kind)
    .where('id', '=', sql<number>`ANY(${ids}::integer[])`)
    .execute();
  return new Map(rows.map(({ id, ...use }) => [id, use]));
}
