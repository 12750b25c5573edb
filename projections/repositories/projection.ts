import { sql } from 'kysely';
import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import { projectOf } from '../../domain/repository.ts';
import type { Projection } from '../../infra/database/projection.ts';

export interface RepositoriesDatabase {
  repositories: { name: string; project: string };
}

type Event = ArtifactEvent | Extract<ProjectEvent, { type: 'ProjectCreated' | 'ProjectDeleted' }>;

/**
 * The repositories: each exists from its first manifest on, also when it holds none any more, and goes with its project.
 * A push may be recorded after its project is gone, so that a project begins without any too.
 */
export const repositories: Projection<Event> = {
  name: 'repositories',
  version: 2,
  handles: ['ManifestPushed', 'ProjectCreated', 'ProjectDeleted'],

  async create(db) {
    await db.schema
      .createTable('repositories')
      .addColumn('name', sql`text COLLATE "C"`, (column) => column.primaryKey())
      .addColumn('project', sql`text COLLATE "C"`, (column) => column.notNull())
      .execute();
    await db.schema.createIndex('repositories_by_project').on('repositories').column('project').execute();
  },

  async apply(tables, events) {
    const emptied = new Set<string>();
    const pushed = new Map<string, Set<string>>();
    for (const { type, data } of events) {
      if (type === 'ProjectCreated' || type === 'ProjectDeleted') {
        emptied.add(data.name);
        pushed.delete(data.name);
      } else {
        const project = projectOf(data.repository);
        pushed.set(project, (pushed.get(project) ?? new Set()).add(data.repository));
      }
    }
    await tables.remove(
      'repositories',
      ['project'],
      [...emptied].map((project) => ({ project })),
    );
    await tables.write(
      'repositories',
      ['name'],
      [...pushed].flatMap(([project, names]) => [...names].map((name) => ({ name, project }))),
    );
  },
};
