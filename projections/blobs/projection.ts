import { sql } from 'kysely';
import type { BlobEvent } from '../../domain/blob/events.ts';
import type { Projection } from '../../infra/database/projection.ts';

export interface BlobsDatabase {
  blobs: { digest: string; size: string; key: string };
  links: { repository: string; digest: string };
}

/** The stored blobs, and the repositories that each can be read in. */
export const blobs: Projection<BlobEvent> = {
  name: 'blobs',
  version: 1,
  handles: ['BlobStored', 'BlobLinked'],

  async create(db) {
    await db.schema
      .createTable('blobs')
      .addColumn('digest', sql`text COLLATE "C"`, (column) => column.primaryKey())
      .addColumn('size', 'bigint', (column) => column.notNull())
      .addColumn('key', 'text', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('links')
      .addColumn('repository', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('digest', sql`text COLLATE "C"`, (column) => column.notNull())
      .addPrimaryKeyConstraint('links_key', ['repository', 'digest'])
      .execute();
  },

  async apply(tables, events) {
    const stored = events.flatMap((event) => (event.type === 'BlobStored' ? [event.data] : []));
    const linked = events.flatMap((event) => (event.type === 'BlobLinked' ? [event.data] : []));
    await tables.write(
      'blobs',
      ['digest'],
      stored.map(({ digest, size, key }) => ({ digest, size, key })),
    );
    await tables.write(
      'links',
      ['repository', 'digest'],
      linked.map(({ repository, digest }) => ({ repository, digest })),
    );
  },
};
