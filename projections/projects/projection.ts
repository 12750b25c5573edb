import { sql } from 'kysely';
import type { ProjectEvent } from '../../domain/project/events.ts';
import type { Projection } from '../../infra/database/projection.ts';

export interface ProjectsDatabase {
  projects: { name: string; project_id: number; public: boolean; owner: string; created_at: Date };
}

/** The projects and what anyone may do in them. */
export const projects: Projection<ProjectEvent> = {
  name: 'projects',
  version: 1,
  handles: ['ProjectCreated'],

  create: (db) =>
    db.schema
      .createTable('projects')
      .addColumn('name', sql`text COLLATE "C"`, (column) => column.primaryKey())
      .addColumn('project_id', 'integer', (column) => column.notNull().unique())
      .addColumn('public', 'boolean', (column) => column.notNull())
      .addColumn('owner', 'text', (column) => column.notNull())
      .addColumn('created_at', 'timestamptz', (column) => column.notNull())
      .execute(),

  apply(tables, events) {
    const rows = events.map(({ data, recordedAt }) => ({
      name: data.name,
      project_id: data.projectId,
      public: data.public,
      owner: data.owner,
      created_at: recordedAt,
    }));
    return tables.write('projects', ['name'], rows);
  },
};
