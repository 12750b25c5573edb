import { sql } from 'kysely';
import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import { projectOf } from '../../domain/repository.ts';
import type { Projection } from '../../infra/database/projection.ts';

export interface RepositoriesDatabase {
  repositories: { name: string; project: string };
}

/** The repositories: each exists from its first manifest on, also when it holds none any more. */
export const repositories: Projection<ArtifactEvent> = {
  name: 'repositories',
  version: 1,
  handles: ['ManifestPushed'],

  create: (db) =>
    db.schema
      .createTable('repositories')
      .addColumn('name', sql`text COLLATE "C"`, (column) => column.primaryKey())
      .addColumn('project', 'text', (column) => column.notNull())
      .execute(),

  apply(tables, events) {
    const names = new Set(events.map(({ data }) => data.repository));
    return tables.write(
      'repositories',
      ['name'],
      [...names].map((name) => ({ name, project: projectOf(name) })),
    );
  },
};
