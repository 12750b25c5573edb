import type { Kysely } from 'kysely';
import type { ProjectsDatabase } from './projection.ts';

export interface Project {
  readonly name: string;
  readonly projectId: number;
  readonly public: boolean;
  /** The other settings, by the names of the management API. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The user name of who created it. */
  readonly owner: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export const projectColumns = [
  'name',
  'project_id as projectId',
  'public',
  'metadata',
  'owner',
  'created_at as createdAt',
  'updated_at as updatedAt',
] as const;

export const findProject = (db: Kysely<ProjectsDatabase>, name: string): Promise<Project | undefined> =>
  db.selectFrom('projects').select(projectColumns).where('name', '=', name).executeTakeFirst();

export const findProjectById = (
  db: Kysely<ProjectsDatabase>,
  projectId: number,
): Promise<Project | undefined> =>
  db.selectFrom('projects').select(projectColumns).where('project_id', '=', projectId).executeTakeFirst();
