import type { Kysely } from 'kysely';
import type { StorageDatabase } from './projection.ts';

/** The bytes of all blobs, each counted once. */
export async function storedBytes(db: Kysely<StorageDatabase>): Promise<number> {
  const row = await db.selectFrom('totals').select('bytes').where('of', '=', 'blobs').executeTakeFirst();
  return Number(row?.bytes ?? 0);
}
