import { type RawBuilder, sql } from 'kysely';
import type { OwnTables, ViewTables } from '../../infra/database/projection.ts';
import type { TagChange } from './changes.ts';
import { isListed, tablesOfRepositories } from './tables.ts';

/*
 * What changes rows by what other rows hold. Each is one statement, however many rows; the totals that lists show
 * are changed by what really changed, so that they are right whatever the batches were.
 */

/** Adds those repositories that are not there. */
export const openRepositories = (tables: ViewTables, repositories: readonly object[]) =>
  runFor(tables, repositories, ({ table, rows }) => {
    const given = rows(repositories, { name: 'text', project: 'text', id: 'bigint', at: 'timestamptz' });
    return sql`
      WITH added AS (
        INSERT INTO ${table('repositories')}
          (name, project, id, description, artifact_count, tag_count, created_at, updated_at)
        SELECT name, project, id, '', 0,
          (SELECT count(*) FROM ${table('listed_tags')} t WHERE t.repository = given.name), at, at
        FROM ${given}
        -- Before the tags of one that is there are counted, which could be many.
        WHERE NOT EXISTS (SELECT FROM ${table('repositories')} r WHERE r.name = given.name)
        ON CONFLICT (name) DO NOTHING
        RETURNING project
      )
      UPDATE ${table('project_totals')} p SET repository_count = p.repository_count + added.count
      FROM (SELECT project, count(*) FROM added GROUP BY project) added WHERE p.name = added.project`;
  });

/** Takes away those of the repositories that hold nothing. */
export const closeRepositories = (tables: ViewTables, repositories: readonly object[]) =>
  runFor(
    tables,
    repositories,
    ({ table, rows }) => sql`
      WITH gone AS (
        DELETE FROM ${table('repositories')} r USING ${rows(repositories, { name: 'text', id: 'bigint' })}
        WHERE r.name = given.name AND r.id = given.id
          AND NOT EXISTS (SELECT FROM ${table('listed_artifacts')} a WHERE a.repository = r.name)
        RETURNING r.project
      )
      UPDATE ${table('project_totals')} p SET repository_count = p.repository_count - gone.count
      FROM (SELECT project, count(*) FROM gone GROUP BY project) gone WHERE p.name = gone.project`,
  );

/** Takes away all that is under the names of the projects. */
export async function emptyProjects(tables: ViewTables, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  // A project's own name, and all that begins with it and a slash, which `0` follows.
  const ranges = names.flatMap((name) => [
    { low: name, high: `${name}!` },
    { low: `${name}/`, high: `${name}0` },
  ]);
  for (const [name, column] of Object.entries(tablesOfRepositories))
    await tables.run(
      ({ table, rows }) => sql`
        DELETE FROM ${table(name)} t USING ${rows(ranges, { low: 'text', high: 'text' })}
        WHERE t.${sql.ref(column)} >= given.low AND t.${sql.ref(column)} < given.high`,
    );
}

export const removeArtifacts = (tables: ViewTables, artifacts: readonly object[]) =>
  runFor(
    tables,
    artifacts,
    (own) => sql`
      WITH deltas AS (
        DELETE FROM ${own.table('listed_artifacts')} a USING ${own.rows(artifacts, named)}
        WHERE a.repository = given.repository AND a.digest = given.digest
        RETURNING a.repository, a.kind, a.state, a.type, a.media_type, a.artifact_type, -1 AS n
      ), ${counting(own)}
      UPDATE ${own.table('repositories')} r SET artifact_count = r.artifact_count + listed.n
      FROM listed WHERE r.name = listed.repository`,
  );

/**
 * Points the tags where they point now, and finds the state of the artifacts that were there and may have another one:
 * those of `affected`, and those that the tags point at or did.
 */
export async function changeStates(
  tables: ViewTables,
  tags: readonly TagChange[],
  affected: readonly object[],
): Promise<void> {
  if (tags.length === 0 && affected.length === 0) return;
  await tables.run(
    (own) => sql`
      WITH changes AS (SELECT * FROM ${own.rows(tags, tagColumns)}),
      previous AS (SELECT t.* FROM ${own.table('listed_tags')} t JOIN changes USING (repository, tag)),
      removed AS (
        DELETE FROM ${own.table('listed_tags')} t USING changes c
        WHERE c.removed AND t.repository = c.repository AND t.tag = c.tag
      ), written AS (
        INSERT INTO ${own.table('listed_tags')} 
          (repository, tag, digest, id, pushed_at, pushed_by, "natural", moves)
        SELECT repository, tag, c.digest, coalesce(c.id, previous.id, c.position), c.at, c.by, c."natural",
          CASE WHEN c.id IS NULL THEN coalesce(previous.moves, 0) ELSE 0 END + c.moves
        FROM changes c LEFT JOIN previous USING (repository, tag) WHERE NOT c.removed
        ON CONFLICT (repository, tag) DO UPDATE
        SET digest = excluded.digest, id = excluded.id, pushed_at = excluded.pushed_at,
          pushed_by = excluded.pushed_by, moves = excluded.moves
      ), tagged AS (
        SELECT repository, digest, sum(n) AS tags FROM (
          SELECT repository, digest, -1 AS n FROM previous
          UNION ALL SELECT repository, digest, 1 FROM changes WHERE NOT removed
          UNION ALL SELECT repository, digest, 0 FROM ${own.rows(affected, named)}
        ) n GROUP BY repository, digest
      ), now AS (
        SELECT a.id, a.repository, a.kind, a.type, a.media_type, a.artifact_type, a.state AS before,
          a.tag_count + t.tags AS tag_count, ${stateOf(own, sql`a.tag_count + t.tags`)}
        FROM tagged t
        JOIN ${own.table('listed_artifacts')} a ON a.repository = t.repository AND a.digest = t.digest
        ${withSignature(own)}
      ), changed AS (
        UPDATE ${own.table('listed_artifacts')} a
        SET tag_count = now.tag_count, state = now.state, accessory = now.accessory, subject = now.subject
        FROM now WHERE a.id = now.id AND (a.state <> now.state OR a.tag_count <> now.tag_count
          OR a.subject IS DISTINCT FROM now.subject)
        RETURNING now.*
      ), deltas AS (
        SELECT repository, kind, before AS state, type, media_type, artifact_type, -1 AS n
        FROM changed WHERE before <> state
        UNION ALL SELECT repository, kind, state, type, media_type, artifact_type, 1
        FROM changed WHERE before <> state
      ), ${counting(own)}
      UPDATE ${own.table('repositories')} r
      SET artifact_count = r.artifact_count + coalesce(listed.n, 0), tag_count = r.tag_count + t.tags
      FROM (SELECT repository, sum(tags) AS tags FROM tagged GROUP BY repository) t
      LEFT JOIN listed USING (repository)
      WHERE r.name = t.repository`,
  );
}

/** Adds those artifacts that are not there, in the state that follows from all that is. */
export const addArtifacts = (tables: ViewTables, artifacts: readonly object[]) =>
  runFor(
    tables,
    artifacts,
    (own) => sql`
      WITH a AS (
        SELECT given.*,
          ('x' || left(md5(concat_ws(E'\n', type, media_type, artifact_type)), 15))::bit(60)::bigint AS kind,
          (SELECT count(*) FROM ${own.table('listed_tags')} t
            WHERE t.repository = given.repository AND t.digest = given.digest) AS tag_count
        FROM ${own.rows(artifacts, artifactColumns)}
      ), deltas AS (
        INSERT INTO ${own.table('listed_artifacts')}
          (${sql.raw(pushedNames.join(', '))}, kind, tag_count, accessory, subject, state)
        SELECT ${sql.raw(pushedNames.map((name) => `a.${name}`).join(', '))}, kind, tag_count, ${stateOf(own, sql`a.tag_count`)}
        FROM a ${withSignature(own)}
        ON CONFLICT (repository, digest) DO NOTHING
        RETURNING repository, kind, state, type, media_type, artifact_type, 1 AS n
      ), ${counting(own)}
      UPDATE ${own.table('repositories')} r SET artifact_count = r.artifact_count + listed.n
      FROM listed WHERE r.name = listed.repository`,
  );

/** When something happened last in each repository. */
export const touchRepositories = (tables: ViewTables, touched: readonly object[]) =>
  tables.update('repositories', ['name'], touched);

const named = { repository: 'text', digest: 'text' } as const;
const tagColumns = {
  repository: 'text',
  tag: 'text',
  digest: 'text',
  removed: 'boolean',
  id: 'bigint',
  position: 'bigint',
  at: 'timestamptz',
  by: 'text',
  natural: 'text',
  moves: 'integer',
} as const;
/** Those that the push alone has a say in. */
const pushedColumns = {
  id: 'bigint',
  repository: 'text',
  digest: 'text',
  project: 'text',
  manifest_media_type: 'text',
  type: 'text',
  media_type: 'text',
  artifact_type: 'text',
  size: 'bigint',
  annotations: 'text',
  attributes: 'text',
  pushed_at: 'timestamptz',
  signing: 'boolean',
} as const;
const artifactColumns = { ...pushedColumns, accessory: 'text', subject: 'text' } as const;
const pushedNames = Object.keys(pushedColumns);

/** For an artifact `a` that has `tags`, with `s` of `withSignature`: its columns `accessory`, `subject`, `state`. */
const stateOf = ({ table }: OwnTables, tags: RawBuilder<unknown>): RawBuilder<unknown> => sql`
  coalesce(a.accessory, CASE WHEN s.subject IS NOT NULL THEN 'signature.cosign' END) AS accessory,
  -- Of several tags by which it is a signature the last one counts, however the log is cut into batches.
  coalesce(s.subject, a.subject) AS subject,
  CASE
    WHEN a.accessory IS NOT NULL OR s.subject IS NOT NULL THEN 'accessory'
    WHEN ${tags} > 0 THEN 'tagged'
    WHEN EXISTS (
      SELECT FROM ${table('listed_children')} c WHERE c.repository = a.repository AND c.digest = a.digest
    ) THEN 'child'
    ELSE 'untagged'
  END AS state`;

const withSignature = ({ table }: OwnTables): RawBuilder<unknown> => sql`
  LEFT JOIN ${table('signatures')} s ON s.repository = a.repository AND s.digest = a.digest AND a.signing`;

/** Adds `deltas` to the totals; `listed` is what they come to for the artifacts that a repository lists. */
const counting = ({ table }: OwnTables): RawBuilder<unknown> => sql`
  summed AS (
    SELECT repository, kind, state, min(type) AS type, min(media_type) AS media_type,
      min(artifact_type) AS artifact_type, sum(n) AS n
    FROM deltas GROUP BY repository, kind, state HAVING sum(n) <> 0
  ), counted AS (
    SELECT s.*, coalesce(t.count, 0) + s.n AS count
    FROM summed s LEFT JOIN ${table('totals')} t USING (repository, kind, state)
  ), emptied AS (
    DELETE FROM ${table('totals')} t USING counted c
    WHERE c.count = 0 AND t.repository = c.repository AND t.kind = c.kind AND t.state = c.state
  ), filled AS (
    INSERT INTO ${table('totals')} (repository, kind, state, type, media_type, artifact_type, count)
    SELECT repository, kind, state, type, media_type, artifact_type, count FROM counted WHERE count <> 0
    ON CONFLICT (repository, kind, state) DO UPDATE SET count = excluded.count
  ), listed AS (SELECT repository, sum(n) AS n FROM summed WHERE ${isListed} GROUP BY repository)`;

async function runFor(
  tables: ViewTables,
  rows: readonly object[],
  statement: (own: OwnTables) => RawBuilder<unknown>,
): Promise<void> {
  if (rows.length > 0) await tables.run(statement);
}
