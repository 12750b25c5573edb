import { type Kysely, sql } from 'kysely';
import { rowsIn, type WebhookDeliveriesDatabase } from './tables.ts';

/**
 * Up to when the oldest deliveries go that are over and were not touched from `before` on: about `limit`, and all of one moment;
 * undefined where there are none.
 */
export async function sweepSlice(
  db: Kysely<WebhookDeliveriesDatabase>,
  before: Date,
  limit: number,
): Promise<Date | undefined> {
  const { rows } = await sql<{ last: Date | null }>`
    SELECT max(updated_at) AS last FROM (
      SELECT updated_at FROM ${rowsIn(db, 'deliveries')} d WHERE state <> 'pending' AND updated_at < ${before}
      ORDER BY updated_at LIMIT ${limit}) oldest`.execute(db);
  const last = rows[0]?.last;
  // Times have whole milliseconds here.
  return last ? new Date(last.getTime() + 1) : undefined;
}
