import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import type { Digest } from '../../domain/digest.ts';
import { lastPullOf } from '../pulls/queries.ts';
import { isListed, type RepositoriesDatabase, rowsIn } from './tables.ts';

/** An artifact that retention can decide about: one that is listed. */
export interface ListedCandidate {
  /** The position of its push. */
  readonly id: number;
  readonly digest: Digest;
  /** In byte order. */
  readonly tags: readonly string[];
  /** Those of what is shown under it, which goes with it. */
  readonly accessoryTags: readonly string[];
  readonly pushedAt: Date;
  /** Null for one that was never pulled. */
  readonly pulledAt: Date | null;
  /** The indexes of the repository that name it. */
  readonly partOf: readonly Digest[];
  /** Bytes of all that it takes to pull it; of an index of those of its children that are there. */
  readonly size: number;
  /** Where the next ones begin. */
  readonly place: CandidatePlace;
}

/** Microseconds since 1970 and a position, as text. */
export interface CandidatePlace {
  readonly pushed: string;
  readonly id: string;
}

type Db = Kysely<RepositoriesDatabase>;

/** Up to `limit` of the repository, in the order of their pushes. */
export const listCandidates = (
  db: Db,
  repository: string,
  after: CandidatePlace | undefined,
  limit: number,
): Promise<readonly ListedCandidate[]> =>
  candidates(
    db,
    after === undefined
      ? sql<SqlBool>`a.repository = ${repository}`
      : sql<SqlBool>`a.repository = ${repository} AND (a.pushed_at, a.id) >
          ('epoch'::timestamptz + ${after.pushed}::bigint * interval '1 microsecond', ${after.id}::bigint)`,
    limit,
  );

export async function findCandidate(
  db: Db,
  repository: string,
  digest: Digest,
): Promise<ListedCandidate | undefined> {
  const [found] = await candidates(
    db,
    sql<SqlBool>`a.repository = ${repository} AND a.digest = ${digest}`,
    1,
  );
  return found;
}

async function candidates(
  db: Db,
  which: RawBuilder<SqlBool>,
  limit: number,
): Promise<readonly ListedCandidate[]> {
  const artifacts = rowsIn(db, 'listed_artifacts');
  const { rows } = await sql<{
    id: string;
    digest: string;
    tags: string[];
    accessory_tags: string[];
    pushed_at: Date;
    pulled_at: Date | null;
    part_of: string[];
    size: string;
    place: string;
  }>`
    WITH children AS NOT MATERIALIZED (SELECT * FROM ${rowsIn(db, 'listed_children')} c),
    page AS (
      SELECT * FROM ${artifacts} a WHERE ${which} AND ${isListed} ORDER BY a.pushed_at, a.id LIMIT ${limit}
    )
    SELECT a.id, a.digest, a.pushed_at, ${lastPullOf('artifacts', 'a')} AS pulled_at,
      ARRAY(SELECT t.tag FROM ${rowsIn(db, 'listed_tags')} t
        WHERE t.repository = a.repository AND t.digest = a.digest ORDER BY t.tag) AS tags,
      ARRAY(SELECT t.tag FROM ${artifacts} accessory JOIN ${rowsIn(db, 'listed_tags')} t USING (repository, digest)
        WHERE accessory.repository = a.repository AND accessory.subject = a.digest) AS accessory_tags,
      ARRAY(SELECT DISTINCT c.parent FROM children c
        WHERE c.repository = a.repository AND c.digest = a.digest) AS part_of,
      coalesce(a.size, (
        SELECT coalesce(sum(part.size), 0)::bigint FROM children c JOIN ${artifacts} part USING (repository, digest)
        WHERE c.repository = a.repository AND c.parent = a.digest)) AS size,
      (extract(epoch FROM a.pushed_at) * 1000000)::bigint AS place
    FROM page a ORDER BY a.pushed_at, a.id`.execute(db);
  return rows.map((row) => ({
    id: Number(row.id),
    digest: row.digest as Digest,
    tags: row.tags,
    accessoryTags: row.accessory_tags,
    pushedAt: row.pushed_at,
    pulledAt: row.pulled_at,
    partOf: row.part_of as Digest[],
    size: Number(row.size),
    place: { pushed: row.place, id: row.id },
  }));
}

/** Up to `limit` names of repositories of the project after `after`, in byte order. */
export async function listRepositoryNames(
  db: Db,
  project: string,
  after: string,
  limit: number,
): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('repositories')
    .select('name')
    // `0` follows `/`, so these are all names that begin with the project and a slash.
    .where('name', '>', after > `${project}/` ? after : `${project}/`)
    .where('name', '<', `${project}0`)
    .orderBy('name')
    .limit(limit)
    .execute();
  return rows.map(({ name }) => name);
}
