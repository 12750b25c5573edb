import { type Kysely, sql } from 'kysely';
import { countOf, pageOf } from '../list-page.ts';
import { type Columns, conditionsOf, type Listing, orderOf, type Page } from '../listing.ts';
import { type Visible, visibleProjects } from '../projects/queries.ts';
import { pullCountOf } from '../pulls/queries.ts';
import { type RepositoriesDatabase, rowsIn } from './tables.ts';

export interface Repository {
  readonly name: string;
  readonly project: string;
  readonly projectId: number;
  /** The position of the first push since it exists. */
  readonly id: number;
  readonly description: string;
  /** The artifacts that are listed. */
  readonly artifactCount: number;
  /** Those of accessories are among them. */
  readonly tagCount: number;
  readonly pullCount: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const columns: Columns = {
  name: { column: 'repositories.name', type: 'text' },
  repositoryid: { column: 'repositories.id', type: 'long' },
  id: { column: 'repositories.id', type: 'long' },
  projectid: { column: 'project_totals.project_id', type: 'integer' },
  description: { column: 'description', type: 'text' },
  artifactcount: { column: 'artifact_count', type: 'long' },
  pullcount: { column: pullCountOf('repositories'), type: 'long' },
  creationtime: { column: 'created_at', type: 'time' },
  updatetime: { column: 'updated_at', type: 'time' },
};

const shown = [
  'repositories.name',
  'project',
  'project_totals.project_id as projectId',
  'id',
  'description',
  'artifact_count',
  'tag_count',
  'created_at as createdAt',
  'updated_at as updatedAt',
] as const;
const pullCount = pullCountOf('repositories').as('pull_count');

export async function repositoryExists(db: Kysely<RepositoriesDatabase>, name: string): Promise<boolean> {
  const row = await db.selectFrom('repositories').select('name').where('name', '=', name).executeTakeFirst();
  return row !== undefined;
}

const joined = (db: Kysely<RepositoriesDatabase>) =>
  db.selectFrom('repositories').innerJoin('project_totals', 'project_totals.name', 'repositories.project');

/** How many repositories each of the projects holds. */
export async function countRepositories(
  db: Kysely<RepositoriesDatabase>,
  projects: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (projects.length === 0) return new Map();
  const rows = await db
    .selectFrom('project_totals')
    .select(['name', 'repository_count'])
    .where('name', '=', sql<string>`ANY (${[...projects]})`)
    .execute();
  return new Map(rows.map(({ name, repository_count }) => [name, Number(repository_count)]));
}

export async function findRepository(
  db: Kysely<RepositoriesDatabase>,
  name: string,
): Promise<Repository | undefined> {
  const row = await joined(db)
    .select(shown)
    .select(pullCount)
    .where('repositories.name', '=', name)
    .executeTakeFirst();
  return row && repositoryOf(row);
}

/** The ids of those of the repositories that there are, by their names. */
export async function findRepositoryIds(
  db: Kysely<RepositoriesDatabase>,
  names: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (names.length === 0) return new Map();
  const rows = await db
    .selectFrom('repositories')
    .select(['name', 'id'])
    .where('name', '=', sql<string>`ANY (${[...names]})`)
    .execute();
  return new Map(rows.map(({ name, id }) => [name, Number(id)]));
}

/** When those of the repositories that there are came to be, by their names. */
export async function findCreationTimes(
  db: Kysely<RepositoriesDatabase>,
  names: readonly string[],
): Promise<ReadonlyMap<string, Date>> {
  if (names.length === 0) return new Map();
  const rows = await db
    .selectFrom('repositories')
    .select(['name', 'created_at'])
    .where('name', '=', sql<string>`ANY (${[...names]})`)
    .execute();
  return new Map(rows.map(({ name, created_at }) => [name, created_at]));
}

/** Of which projects repositories are listed: those of one, all, or those that somebody may see. */
export type OfProjects = { readonly kind: 'one'; readonly project: string } | Visible;

/** Without filters as many as the totals say; with filters they are counted, among those of the projects. */
export async function listRepositoriesOf(
  db: Kysely<RepositoriesDatabase>,
  listing: Listing,
  of: OfProjects,
): Promise<Page<Repository>> {
  const conditions = conditionsOf(listing.filters, columns);
  const all = conditions.reduce(
    (query, condition) => query.where(condition),
    joined(db).where(isAmong(db, of)),
  );
  const page = all
    .select(shown)
    .select(pullCount)
    .orderBy(orderOf(listing, columns, []))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc');
  const count =
    conditions.length > 0
      ? countOf(all)
      : db
          .selectFrom('project_totals')
          .select(({ fn }) => fn.coalesce(fn.sum<string>('repository_count'), sql<string>`0`).as('total'))
          .where(isAmong(db, of));
  const { rows, total } = await pageOf(page, count, listing);
  return { rows: rows.map(repositoryOf), total };
}

/** A condition on `project_totals`, which has the columns that tell who may see a project. */
function isAmong(db: Kysely<RepositoriesDatabase>, of: OfProjects) {
  if (of.kind === 'one') return sql<boolean>`project_totals.name = ${of.project}`;
  return sql<boolean>`project_totals.name IN (
    SELECT name FROM ${rowsIn(db, 'project_totals')} p WHERE ${visibleProjects(of)})`;
}

type Row = Omit<Repository, 'id' | 'artifactCount' | 'tagCount' | 'pullCount'> & {
  readonly id: string;
  readonly artifact_count: string;
  readonly tag_count: string;
  readonly pull_count: string;
};

const repositoryOf = ({ id, artifact_count, tag_count, pull_count, ...row }: Row): Repository => ({
  ...row,
  id: Number(id),
  artifactCount: Number(artifact_count),
  tagCount: Number(tag_count),
  pullCount: Number(pull_count),
});

export interface Count {
  readonly projects: number;
  readonly repositories: number;
}

const noCount: Count = { projects: 0, repositories: 0 };

/**
 * How many projects there are and repositories in them, by whether everybody may read them; with `projectIds` only of
 * those projects.
 */
export async function countContents(
  db: Kysely<RepositoriesDatabase>,
  projectIds?: readonly number[],
): Promise<{ readonly public: Count; readonly private: Count }> {
  const rows = await db
    .selectFrom('project_totals')
    .select(({ fn }) => [
      'public',
      fn.countAll<string>().as('projects'),
      fn.sum<string>('repository_count').as('repositories'),
    ])
    .$if(projectIds !== undefined, (query) =>
      query.where('project_id', '=', sql<number>`ANY (${[...(projectIds ?? [])]}::integer[])`),
    )
    .groupBy('public')
    .execute();
  const countOf = (isPublic: boolean): Count => {
    const row = rows.find((row) => row.public === isPublic);
    return row === undefined
      ? noCount
      : { projects: Number(row.projects), repositories: Number(row.repositories) };
  };
  return { public: countOf(true), private: countOf(false) };
}

/** How many artifacts all repositories list. */
export async function countArtifacts(db: Kysely<RepositoriesDatabase>): Promise<number> {
  const { total } = await db
    .selectFrom('repositories')
    .select(({ fn }) => fn.coalesce(fn.sum<string>('artifact_count'), sql<string>`0`).as('total'))
    .executeTakeFirstOrThrow();
  return Number(total);
}
