import type { Kysely } from 'kysely';
import type { RepositoriesDatabase } from './projection.ts';

export async function repositoryExists(db: Kysely<RepositoriesDatabase>, name: string): Promise<boolean> {
  const row = await db.selectFrom('repositories').select('name').where('name', '=', name).executeTakeFirst();
  return row !== undefined;
}

/** Up to `limit` repositories after `last`, which need not exist, in byte order. */
export async function listRepositories(
  db: Kysely<RepositoriesDatabase>,
  { last, limit }: { readonly last: string; readonly limit: number },
): Promise<string[]> {
  const rows = await db
    .selectFrom('repositories')
    .select('name')
    .where('name', '>', last)
    .orderBy('name')
    .limit(limit)
    .execute();
  return rows.map(({ name }) => name);
}
