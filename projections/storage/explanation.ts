import { type RawBuilder, type SqlBool, sql } from 'kysely';
import { schemaOf, type ViewDatabase } from '../../infra/database/projection.ts';
import { artifacts } from '../artifacts/projection.ts';
import { blobs } from '../blobs/projection.ts';
import { lastPullOf } from '../pulls/queries.ts';
import { repositories } from '../repositories/projection.ts';
import { type Kind, storage } from './projection.ts';

/** A place in the order in which all that is held is gone through. */
export interface HeldPlace {
  readonly project: string;
  readonly repository: string;
  readonly kind: Kind;
  readonly digest: string;
}

/** A part of all that was asked about; the parts add up, row by row. */
export interface Part<Row> {
  readonly rows: readonly Row[];
  /** Where the next part begins; undefined at the end. */
  readonly next: HeldPlace | undefined;
}

/** Why bytes count. */
export const reasons = ['manifest', 'layer', 'shared', 'unreferenced', 'condemned'] as const;
export type ReasonToCount = (typeof reasons)[number];

export interface ExplainedBytes {
  readonly repository: string;
  readonly reason: ReasonToCount;
  readonly objects: number;
  readonly bytes: number;
}

export interface StorageUsage {
  readonly name: string;
  readonly objects: number;
  /** What it holds, each thing once. All in bytes. */
  readonly logical: number;
  /** What nobody else holds. */
  readonly unique: number;
  /** Of that, what nothing needs. */
  readonly reclaimable: number;
  /** Of an artifact; null where it was never pulled, and for what is more than one. */
  readonly lastPull: Date | null;
}

/** How much is looked at for one part, however much a repository holds. */
const partObjects = 20_000;

const table = (view: typeof storage | typeof blobs | typeof artifacts, name: string) =>
  sql.table(`${schemaOf(view)}.${name}`);

/**
 * The next things that are held after `after`, with what else there is to say of each: whether another repository of the
 * project holds it and comes before, whether another project does, and whether it goes or nothing needs it.
 */
const judged = (
  of: { readonly project: string | undefined },
  after: HeldPlace | undefined,
  limit: number,
) => {
  const conditions: RawBuilder<SqlBool>[] = [
    ...(of.project === undefined ? [] : [sql<SqlBool>`h.project = ${of.project}`]),
    ...(after === undefined
      ? []
      : [
          sql<SqlBool>`(h.project, h.repository, h.kind, h.digest) >
            (${after.project}, ${after.repository}, ${after.kind}, ${after.digest})`,
        ]),
  ];
  const where = conditions.length === 0 ? sql`true` : sql.join(conditions, sql` AND `);
  return sql`
    WITH part AS MATERIALIZED (
      SELECT * FROM ${table(storage, 'holdings')} h WHERE ${where}
      ORDER BY h.project, h.repository, h.kind, h.digest LIMIT ${limit}
    ), judged AS MATERIALIZED (
      SELECT h.*, s.holders,
        s.holders = 1 OR h.repository = (
          SELECT min(o.repository) FROM ${table(storage, 'holdings')} o
          WHERE o.project = h.project AND o.kind = h.kind AND o.digest = h.digest
        ) AS counts,
        h.kind = 'blob' AND EXISTS (
          SELECT FROM ${table(storage, 'shares')} o
          WHERE o.digest = h.digest AND o.kind = h.kind AND o.project <> h.project
        ) AS elsewhere,
        CASE h.kind
          WHEN 'blob' THEN EXISTS (
            SELECT FROM ${table(blobs, 'condemned')} c WHERE c.repository = h.repository AND c.digest = h.digest
          )
          ELSE EXISTS (
            SELECT FROM ${table(artifacts, 'condemned')} c
            WHERE c.repository = h.repository AND c.digest = h.digest
          )
        END AS condemned,
        h.kind = 'manifest' OR EXISTS (
          SELECT FROM ${table(blobs, 'needs')} n WHERE n.repository = h.repository AND n.digest = h.digest
        ) AS needed
      FROM part h
      JOIN ${table(storage, 'shares')} s ON s.project = h.project AND s.kind = h.kind AND s.digest = h.digest
    ), last AS (
      SELECT project, repository, kind, digest FROM part
      ORDER BY project DESC, repository DESC, kind DESC, digest DESC LIMIT 1
    )`;
};

interface LastRow {
  readonly looked_at: bigint;
  readonly last_project: string | null;
  readonly last_repository: string;
  readonly last_kind: Kind;
  readonly last_digest: string;
}
const lastColumns = sql`(SELECT count(*) FROM part) AS looked_at, last.project AS last_project,
  last.repository AS last_repository, last.kind AS last_kind, last.digest AS last_digest`;

/** What a project holds, by repository and reason; every byte of it once, in the first repository that holds it. */
export async function explainUsage(
  db: ViewDatabase,
  project: string,
  after: HeldPlace | undefined,
  limit = partObjects,
): Promise<Part<ExplainedBytes>> {
  const { rows } = await sql<
    LastRow & { repository: string | null; reason: ReasonToCount; objects: bigint; bytes: bigint }
  >`
    ${judged({ project }, after, limit)}
    SELECT explained.*, ${lastColumns} FROM last LEFT JOIN (
      SELECT repository, reason, count(*) AS objects, sum(size)::bigint AS bytes
      FROM (
        SELECT repository, size, CASE
          WHEN holders > 1 THEN 'shared'
          WHEN condemned THEN 'condemned'
          WHEN kind = 'manifest' THEN 'manifest'
          WHEN needed THEN 'layer'
          ELSE 'unreferenced' END AS reason
        FROM judged WHERE counts
      ) reasoned GROUP BY repository, reason
    ) explained ON true
    ORDER BY explained.repository COLLATE "C", explained.reason COLLATE "C"`.execute(db);
  return {
    rows: rows.flatMap(({ repository, reason, objects, bytes }) =>
      repository === null ? [] : [{ repository, reason, objects: Number(objects), bytes: Number(bytes) }],
    ),
    next: nextOf(rows[0], limit),
  };
}

/**
 * What projects hold, or what the repositories of one hold.
 * @param of `isEverywhere` where what nobody else holds is meant of all projects, and not of this one.
 */
export async function usageBy(
  db: ViewDatabase,
  of:
    | { readonly by: 'project' }
    | { readonly by: 'repository'; readonly project: string; readonly isEverywhere: boolean },
  after: HeldPlace | undefined,
  limit = partObjects,
): Promise<Part<StorageUsage>> {
  const [project, name, counts, alone] =
    of.by === 'project'
      ? [undefined, sql`project`, sql`counts`, sql`NOT elsewhere`]
      : // The bytes of a manifest are stored for each repository.
        [
          of.project,
          sql`repository`,
          sql`true`,
          sql`(kind = 'manifest' OR (holders = 1 AND NOT (elsewhere AND ${of.isEverywhere})))`,
        ];
  const { rows } = await sql<
    LastRow & { name: string | null; objects: bigint; logical: bigint; unique: bigint; reclaimable: bigint }
  >`
    ${judged({ project }, after, limit)}
    SELECT used.*, ${lastColumns} FROM last LEFT JOIN (
      SELECT ${name} AS name, count(*) AS objects, sum(size)::bigint AS logical,
        coalesce(sum(size) FILTER (WHERE ${alone}), 0)::bigint AS "unique",
        coalesce(sum(size) FILTER (WHERE ${alone} AND holders = 1 AND (condemned OR NOT needed)), 0)::bigint
          AS reclaimable
      FROM judged WHERE ${counts} GROUP BY ${name}
    ) used ON true
    ORDER BY used.name COLLATE "C"`.execute(db);
  return {
    rows: rows.flatMap(({ name, objects, logical, unique, reclaimable }) =>
      name === null
        ? []
        : [
            {
              ...{ name, objects: Number(objects), logical: Number(logical) },
              ...{ unique: Number(unique), reclaimable: Number(reclaimable), lastPull: null },
            },
          ],
    ),
    next: nextOf(rows[0], limit),
  };
}

function nextOf(row: LastRow | undefined, limit: number): HeldPlace | undefined {
  if (row === undefined || row.last_project === null || Number(row.looked_at) < limit) return undefined;
  return {
    project: row.last_project,
    repository: row.last_repository,
    kind: row.last_kind,
    digest: row.last_digest,
  };
}

/** What up to `limit` artifacts of the repository after the digest hold: their manifests and the blobs that they need. */
export async function usageByArtifact(
  db: ViewDatabase,
  { repository, isEverywhere }: { readonly repository: string; readonly isEverywhere: boolean },
  after: string,
  limit: number,
): Promise<readonly StorageUsage[]> {
  const { rows } = await sql<{
    name: string;
    objects: bigint;
    logical: bigint;
    unique: bigint;
    reclaimable: bigint;
    last_pull: Date | null;
  }>`
    WITH part AS MATERIALIZED (
      SELECT a.repository, a.digest, a.size, ${lastPullOf('artifacts', 'listed')} AS last_pull, EXISTS (
        SELECT FROM ${table(artifacts, 'condemned')} c WHERE c.repository = a.repository AND c.digest = a.digest
      ) AS condemned
      FROM ${table(artifacts, 'artifacts')} a
      -- Its id is the position of the push, since which pulls are its own.
      LEFT JOIN ${sql.table(`${schemaOf(repositories)}.listed_artifacts`)} listed
        ON listed.repository = a.repository AND listed.digest = a.digest
      WHERE a.repository = ${repository} AND a.digest > ${after} ORDER BY a.digest LIMIT ${limit}
    ), needed AS (
      SELECT part.digest, part.condemned, part.last_pull, h.size,
        NOT EXISTS (
          SELECT FROM ${table(blobs, 'needs')} o
          WHERE o.repository = n.repository AND o.digest = n.digest AND o.manifest <> n.manifest
        ) AND NOT EXISTS (
          SELECT FROM ${table(storage, 'shares')} s
          WHERE s.digest = h.digest AND s.kind = 'blob' AND ((${isEverywhere} AND s.project <> h.project) OR (s.project = h.project AND s.holders > 1))
        ) AS alone
      FROM part
      JOIN ${table(blobs, 'needs')} n ON n.repository = part.repository AND n.manifest = part.digest
      JOIN ${table(storage, 'holdings')} h ON h.project = split_part(n.repository, '/', 1)
        AND h.repository = n.repository AND h.kind = 'blob' AND h.digest = n.digest
      UNION ALL
      SELECT digest, condemned, last_pull, size, true FROM part
    )
    SELECT digest AS name, count(*) AS objects, sum(size)::bigint AS logical,
      coalesce(sum(size) FILTER (WHERE alone), 0)::bigint AS "unique",
      coalesce(sum(size) FILTER (WHERE alone AND condemned), 0)::bigint AS reclaimable,
      min(last_pull) AS last_pull
    FROM needed GROUP BY digest ORDER BY digest COLLATE "C"`.execute(db);
  return rows.map(({ name, objects, logical, unique, reclaimable, last_pull }) => ({
    ...{ name, objects: Number(objects), logical: Number(logical) },
    ...{ unique: Number(unique), reclaimable: Number(reclaimable), lastPull: last_pull },
  }));
}
