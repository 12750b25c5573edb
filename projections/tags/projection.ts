import { sql } from 'kysely';
import type { TagEvent } from '../../domain/tag/events.ts';
import type { Projection } from '../../infra/database/projection.ts';

export interface TagsDatabase {
  tags: { repository: string; tag: string; digest: string };
}

/** Where each tag points: answers pulls by tag and every listing of tags. */
export const tags: Projection<TagEvent> = {
  name: 'tags',
  version: 2,
  handles: ['TagAssigned', 'TagMoved', 'TagRemoved'],

  async create(db) {
    await db.schema
      .createTable('tags')
      .addColumn('repository', sql`text COLLATE "C"`, (column) => column.notNull())
      // Byte order is the order in which the specification lists tags.
      .addColumn('tag', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('digest', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('tags_key', ['repository', 'tag'])
      .execute();
    await db.schema.createIndex('tags_digest').on('tags').columns(['repository', 'digest']).execute();
  },

  apply(tables, events) {
    return tables.applyChanges(
      'tags',
      ['repository', 'tag'],
      events.map(({ type, data: { repository, tag, digest } }) => ({
        row: { repository, tag, digest },
        removed: type === 'TagRemoved',
      })),
    );
  },
};
