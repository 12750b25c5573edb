import type { Kysely } from 'kysely';
import type { PreferencesDatabase } from './projection.ts';

export interface StoredPreferences {
  /** A keyed hash; the same for the same preferences. */
  readonly fingerprint: string;
  readonly sealed: string;
}

/** Undefined for who never had any. */
export const findPreferences = (
  db: Kysely<PreferencesDatabase>,
  userId: number,
): Promise<StoredPreferences | undefined> =>
  db
    .selectFrom('preferences')
    .select(['fingerprint', 'sealed'])
    .where('user_id', '=', userId)
    .executeTakeFirst();
