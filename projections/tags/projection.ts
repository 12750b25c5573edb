import { sql } from 'kysely';
import type { TagEvent } from '../../domain/tag/events.ts';
import type { Projection } from '../../infra/database/projection.ts';

export interface TagsDatabase {
  tags: { repository: string; tag: string; digest: string };
}

/** Where each tag points: answers pulls by tag and every listing of tags. */
export const tags: Projection<TagEvent> = {
  name: 'tags',
  version: 1,
  handles: ['TagAssigned', 'TagMoved'],

  create: (db) =>
    db.schema
      .createTable('tags')
      .addColumn('repository', sql`text COLLATE "C"`, (column) => column.notNull())
      // Byte order is the order in which the specification lists tags.
      .addColumn('tag', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('digest', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('tags_key', ['repository', 'tag'])
      .execute(),

  apply(tables, events) {
    const rows = events.map(({ data: { repository, tag, digest } }) => ({ repository, tag, digest }));
    return tables.write('tags', ['repository', 'tag'], rows);
  },
};
