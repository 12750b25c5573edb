import { type Kysely, sql } from 'kysely';
import { countOf, filtered, pageOf } from '../list-page.ts';
import { type Columns, type Listing, orderOf, type Page } from '../listing.ts';
import type { ProjectCveAllowlist, ProjectsDatabase } from './projection.ts';

export interface Project {
  readonly name: string;
  readonly projectId: number;
  readonly public: boolean;
  /** The other settings, by the names of the management API. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Its own, whether or not that of the system counts for it. */
  readonly cveAllowlist: ProjectCveAllowlist;
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
  'cve_allowlist as cveAllowlist',
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

/** Those of them that there are. */
export const findProjectsByName = async (
  db: Kysely<ProjectsDatabase>,
  names: readonly string[],
): Promise<readonly Project[]> =>
  names.length === 0
    ? []
    : db
        .selectFrom('projects')
        .select(projectColumns)
        .where('name', 'in', [...names])
        .execute();

/** Which projects somebody may see in a list. */
export type Visible =
  | { readonly kind: 'all' }
  | {
      readonly kind: 'some';
      /** Whether all public ones are among them. */
      readonly public: boolean;
      readonly projectIds: readonly number[];
      readonly names: readonly string[];
    };

/** The keys that lists of projects are filtered and sorted by. */
const columns: Columns = {
  name: { column: 'name', type: 'text' },
  projectid: { column: 'project_id', type: 'integer' },
  public: { column: 'public', type: 'boolean' },
  owner: { column: 'owner', type: 'text' },
  creationtime: { column: 'created_at', type: 'time' },
  updatetime: { column: 'updated_at', type: 'time' },
};

export async function listProjects(
  db: Kysely<ProjectsDatabase>,
  listing: Listing,
  visible: Visible,
): Promise<Page<Project>> {
  const all = filtered(db.selectFrom('projects').where(visibleProjects(visible)), listing.filters, columns);
  const page = all.select(projectColumns).orderBy(orderOf(listing, columns, ['name']));
  // There are as many projects as teams, which are counted soon enough.
  return pageOf(page, countOf(all), listing);
}

/** Those of the rows of `projects` that may be seen. */
export function visibleProjects(visible: Visible) {
  if (visible.kind === 'all') return sql<boolean>`true`;
  const { public: isPublic, projectIds, names } = visible;
  return sql<boolean>`(public AND ${isPublic}
    OR project_id = ANY (${[...projectIds]}::integer[]) OR name = ANY (${[...names]}::text[]))`;
}
