import { type Kysely, sql } from 'kysely';
import type { RepositoriesDatabase } from './projection.ts';

export async function repositoryExists(db: Kysely<RepositoriesDatabase>, name: string): Promise<boolean> {
  const row = await db.selectFrom('repositories').select('name').where('name', '=', name).executeTakeFirst();
  return row !== undefined;
}

/** How many repositories each of the projects holds; by the key of the table, however many others there are. */
export async function countRepositories(
  db: Kysely<RepositoriesDatabase>,
  projects: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (projects.length === 0) return new Map();
  const rows = await db
    .selectFrom(sql<{ project: string }>`unnest(${[...projects]}::text[])`.as<'asked'>(sql`asked(project)`))
    .select(({ selectFrom, fn }) => [
      'asked.project',
      selectFrom('repositories')
        .where('name', '>=', sql<string>`asked.project || '/'`)
        .where('name', '<', sql<string>`asked.project || '0'`)
        .select(fn.countAll<bigint>().as('count'))
        .as('count'),
    ])
    .execute();
  return new Map(rows.map(({ project, count }) => [project, Number(count)]));
}
