import type { Kysely } from 'kysely';
import { among, type Place } from '../paging.ts';
import type { ReferrersDatabase } from './projection.ts';

/** What refers to one of `subjects`. */
export async function findReferrersOf(
  db: Kysely<ReferrersDatabase>,
  subjects: readonly Place[],
): Promise<readonly Place[]> {
  if (subjects.length === 0) return [];
  return db
    .selectFrom('referrers')
    .select(['repository', 'digest'])
    .where(among(subjects, 'subject'))
    .execute();
}
