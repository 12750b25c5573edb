import type { Kysely } from 'kysely';
import type { ProjectsDatabase } from './projection.ts';

export interface Project {
  readonly name: string;
  readonly public: boolean;
}

export const findProject = (db: Kysely<ProjectsDatabase>, name: string): Promise<Project | undefined> =>
  db.selectFrom('projects').select(['name', 'public']).where('name', '=', name).executeTakeFirst();
