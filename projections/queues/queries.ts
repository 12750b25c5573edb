import type { Kysely } from 'kysely';
import type { QueuesDatabase } from './projection.ts';

/** The kinds of work of which nothing begins now. */
export async function pausedKinds(db: Kysely<QueuesDatabase>): Promise<ReadonlySet<string>> {
  const rows = await db.selectFrom('paused').select('kind').execute();
  return new Set(rows.map(({ kind }) => kind));
}
