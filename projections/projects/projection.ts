import { sql } from 'kysely';
import type { CveAllowlist } from '../../domain/cve-allowlist/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface ProjectsDatabase {
  projects: {
    name: string;
    project_id: number;
    public: boolean;
    metadata: Readonly<Record<string, string>>;
    cve_allowlist: ProjectCveAllowlist;
    owner: string;
    created_at: Date;
    updated_at: Date;
  };
}

export interface ProjectCveAllowlist extends CveAllowlist {
  /** ISO 8601; when the project was created, where nobody has set the list. */
  readonly updatedAt: string;
}

/** The projects, their settings, and whether anyone may read them. */
export const projects: Projection<ProjectEvent> = {
  name: 'projects',
  version: 3,
  showsUserNames: true,
  handles: ['ProjectCreated', 'ProjectMetadataChanged', 'ProjectCveAllowlistChanged', 'ProjectDeleted'],

  create: (db) =>
    db.schema
      .createTable('projects')
      .addColumn('name', sql`text COLLATE "C"`, (column) => column.primaryKey())
      .addColumn('project_id', 'integer', (column) => column.notNull().unique())
      .addColumn('public', 'boolean', (column) => column.notNull())
      .addColumn('metadata', 'jsonb', (column) => column.notNull())
      .addColumn('cve_allowlist', 'jsonb', (column) => column.notNull())
      .addColumn('owner', 'text', (column) => column.notNull())
      .addColumn('created_at', 'timestamptz', (column) => column.notNull())
      .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
      .execute(),

  apply: (tables, events) => takeSteps(tables, events, (event) => [stepOf(event)]),
};

function stepOf(event: RecordedEvent<ProjectEvent>): Step {
  const { name, projectId } = event.data;
  const table = 'projects';
  switch (event.type) {
    case 'ProjectCreated': {
      const row = {
        name,
        project_id: projectId,
        public: event.data.public,
        metadata: {},
        cve_allowlist: { cveIds: [], expiresAt: null, updatedAt: event.recordedAt.toISOString() },
        owner: event.data.owner,
        created_at: event.recordedAt,
        updated_at: event.recordedAt,
      };
      return { by: 'write', table, key: ['name'], row };
    }
    case 'ProjectMetadataChanged': {
      const { metadata } = event.data;
      const row = {
        project_id: projectId,
        public: event.data.public,
        metadata,
        updated_at: event.recordedAt,
      };
      return { by: 'update', table, key: ['project_id'], row };
    }
    case 'ProjectCveAllowlistChanged': {
      const { cveIds, expiresAt } = event.data;
      const updatedAt = event.recordedAt.toISOString();
      const row = { project_id: projectId, cve_allowlist: { cveIds, expiresAt, updatedAt } };
      return { by: 'update', table, key: ['project_id'], row };
    }
    case 'ProjectDeleted':
      return { by: 'remove', table, key: ['project_id'], row: { project_id: projectId } };
  }
}
