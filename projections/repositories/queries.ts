import type { Kysely } from 'kysely';
import type { RepositoriesDatabase } from './projection.ts';

export async function repositoryExists(db: Kysely<RepositoriesDatabase>, name: string): Promise<boolean> {
  const row = await db.selectFrom('repositories').select('name').where('name', '=', name).executeTakeFirst();
  return row !== undefined;
}
