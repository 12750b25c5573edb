import { sql } from 'kysely';
import type { BlobEvent } from '../../domain/blob/events.ts';
import type { Projection } from '../../infra/database/projection.ts';

export interface StorageDatabase {
  /** What is stored, so that bytes that replace damaged ones are not counted twice. */
  stored: { digest: string; size: string };
  totals: { of: 'blobs'; count: string; bytes: string };
}

type StorageEvent = Extract<BlobEvent, { type: 'BlobStored' | 'BlobDeleted' }>;

/** How much all blobs take, each counted once, however many repositories hold it. Kept as a sum, since blobs are many. */
export const storage: Projection<StorageEvent> = {
  name: 'storage',
  version: 1,
  handles: ['BlobStored', 'BlobDeleted'],

  async create(db) {
    await db.schema
      .createTable('stored')
      .addColumn('digest', sql`text COLLATE "C"`, (column) => column.primaryKey())
      .addColumn('size', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('totals')
      .addColumn('of', 'text', (column) => column.primaryKey())
      .addColumn('count', 'bigint', (column) => column.notNull())
      .addColumn('bytes', 'bigint', (column) => column.notNull())
      .execute();
  },

  async apply(tables, events) {
    // A blob's last event says all there is to know of it.
    const last = new Map(events.map(({ type, data: { digest, size } }) => [digest, { digest, size, type }]));
    const rows = [...last.values()].map(({ type, ...row }) => ({ ...row, there: type === 'BlobStored' }));
    await tables.run(({ table, rows: given }) => {
      const blobs = given(rows, { digest: 'text', size: 'bigint', there: 'boolean' });
      return sql`
        WITH given AS MATERIALIZED (SELECT * FROM ${blobs}),
        gone AS (
          DELETE FROM ${table('stored')} stored USING given
          WHERE stored.digest = given.digest AND NOT there RETURNING stored.size
        ),
        come AS (
          INSERT INTO ${table('stored')} (digest, size) SELECT digest, size FROM given WHERE there
          ON CONFLICT DO NOTHING RETURNING size
        ),
        change AS (SELECT 1 AS count, size FROM come UNION ALL SELECT -1, -size FROM gone)
        INSERT INTO ${table('totals')} AS totals ("of", count, bytes)
        SELECT 'blobs', coalesce(sum(count), 0), coalesce(sum(size), 0) FROM change
        ON CONFLICT ("of") DO UPDATE
        SET count = totals.count + excluded.count, bytes = totals.bytes + excluded.bytes`;
    });
  },
};
