import { type Kysely, sql } from 'kysely';
import { unlimited, warningShare } from '../../domain/quota/decider.ts';
import { schemaOf, type ViewDatabase } from '../../infra/database/projection.ts';
import { type Columns, conditionsOf, type Listing, maxRows, orderOf, type Page } from '../listing.ts';
import { storage } from '../storage/projection.ts';
import { type QuotasDatabase, quotas } from './projection.ts';

export interface Quota {
  /** That of its project, which has one quota. */
  readonly projectId: number;
  readonly project: string;
  /** The user name of who created the project. */
  readonly owner: string;
  /** In bytes, -1 for any number. */
  readonly storage: number;
  /** What the project holds, in bytes. */
  readonly used: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/**
 * In bytes what a project may hold, -1 for any number; undefined where the view has no such project. Asked for each push.
 */
export async function findLimit(
  db: Kysely<QuotasDatabase>,
  project: string,
): Promise<{ readonly projectId: number; readonly bytes: number } | undefined> {
  const row = await db
    .selectFrom('quotas')
    .select(['project_id', 'storage'])
    .where('project', '=', project)
    .executeTakeFirst();
  return row && { projectId: row.project_id, bytes: Number(row.storage) };
}

/** What projects may hold beside what they do hold, as of one moment. */
const joined = sql`(
  SELECT q.*, coalesce(u.bytes, 0) AS used
  FROM ${sql.table(`${schemaOf(quotas)}.quotas`)} q
  LEFT JOIN ${sql.table(`${schemaOf(storage)}.usages`)} u ON u.project = q.project
) quota`;

interface Row {
  readonly project_id: number;
  readonly project: string;
  readonly owner: string;
  readonly storage: bigint;
  readonly used: bigint;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export async function findQuota(db: ViewDatabase, projectId: number): Promise<Quota | undefined> {
  const { rows } = await sql<Row>`SELECT * FROM ${joined} WHERE project_id = ${projectId}`.execute(db);
  return rows[0] && quotaOf(rows[0]);
}

const columns: Columns = {
  id: { column: 'project_id', type: 'integer' },
  referenceid: { column: 'project_id', type: 'integer' },
  'hard.storage': { column: 'storage', type: 'long' },
  'used.storage': { column: 'used', type: 'long' },
  creationtime: { column: 'created_at', type: 'time' },
  updatetime: { column: 'updated_at', type: 'time' },
};

/** There are as many as projects, which are counted soon enough. */
export async function listQuotas(db: ViewDatabase, listing: Listing): Promise<Page<Quota>> {
  const where = sql.join([sql`true`, ...conditionsOf(listing.filters, columns)], sql` AND `);
  const order = sql.join([...orderOf(listing, columns, []), sql`created_at DESC`, sql`project_id DESC`]);
  const [{ rows }, counted] = await Promise.all([
    sql<Row>`SELECT * FROM ${joined} WHERE ${where} ORDER BY ${order}
      LIMIT ${listing.limit ?? maxRows} OFFSET ${listing.offset}`.execute(db),
    sql<{ total: bigint }>`SELECT count(*) AS total FROM ${joined} WHERE ${where}`.execute(db),
  ]);
  return { rows: rows.map(quotaOf), total: Number(counted.rows[0]?.total ?? 0) };
}

/** The first `limit` quotas of projects with a number above `projectId`, by number. */
export async function quotasAfter(
  db: ViewDatabase,
  projectId: number,
  limit: number,
): Promise<readonly Quota[]> {
  const { rows } = await sql<Row>`
    SELECT * FROM ${joined} WHERE project_id > ${projectId} ORDER BY project_id LIMIT ${limit}`.execute(db);
  return rows.map(quotaOf);
}

/** Up to `limit` quotas of which it was not said yet that there is not much left, or is again. */
export async function findUntoldQuotas(db: ViewDatabase, limit: number): Promise<readonly Quota[]> {
  const { rows } = await sql<Row>`
    SELECT * FROM ${joined}
    WHERE warned <> (storage <> ${unlimited} AND used >= storage * ${warningShare}::float8)
    ORDER BY project_id LIMIT ${limit}`.execute(db);
  return rows.map(quotaOf);
}

const quotaOf = (row: Row): Quota => ({
  projectId: row.project_id,
  project: row.project,
  owner: row.owner,
  storage: Number(row.storage),
  used: Number(row.used),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});
