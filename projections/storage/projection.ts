import { sql } from 'kysely';
import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import type { BlobEvent } from '../../domain/blob/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import { projectOf } from '../../domain/repository.ts';
import type { Projection, ViewTables } from '../../infra/database/projection.ts';

export type Kind = 'blob' | 'manifest';

export interface StorageDatabase {
  /** What is stored, so that bytes that replace damaged ones are not counted twice. */
  stored: { digest: string; size: string };
  totals: { of: 'blobs'; count: string; bytes: string };
  /** What each repository holds, be it condemned or not. */
  holdings: { repository: string; kind: Kind; digest: string; project: string; size: string };
  /** What each project holds, and in how many of its repositories: there it counts once. */
  shares: { project: string; kind: Kind; digest: string; size: string; holders: number };
  /** What a repository holds, in all. */
  repository_usages: { repository: string; project: string; objects: string; bytes: string };
  /** What a project holds in all, each digest once: what its quota counts. */
  usages: { project: string; objects: string; bytes: string };
}

type StorageEvent =
  | Extract<BlobEvent, { type: 'BlobStored' | 'BlobDeleted' | 'BlobLinked' | 'BlobUnlinked' }>
  | Extract<ArtifactEvent, { type: 'ManifestPushed' | 'ManifestDeleted' }>;

/**
 * How much is stored: by all, each blob counted once, by each project and by each repository. By the names of projects
 * and not by their numbers, since what is left under a name is the next project's that bears it. Kept as sums, since
 * blobs are many.
 */
export const storage: Projection<StorageEvent> = {
  name: 'storage',
  version: 2,
  handles: ['BlobStored', 'BlobDeleted', 'BlobLinked', 'BlobUnlinked', 'ManifestPushed', 'ManifestDeleted'],

  async create(db) {
    const text = sql`text COLLATE "C"`;
    await db.schema
      .createTable('stored')
      .addColumn('digest', text, (column) => column.primaryKey())
      .addColumn('size', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('totals')
      .addColumn('of', 'text', (column) => column.primaryKey())
      .addColumn('count', 'bigint', (column) => column.notNull())
      .addColumn('bytes', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('holdings')
      .addColumn('repository', text, (column) => column.notNull())
      .addColumn('kind', text, (column) => column.notNull())
      .addColumn('digest', text, (column) => column.notNull())
      .addColumn('project', text, (column) => column.notNull())
      .addColumn('size', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('holdings_key', ['project', 'repository', 'kind', 'digest'])
      .execute();
    // For who else holds the same in the project.
    await db.schema
      .createIndex('holdings_of_digest')
      .on('holdings')
      .columns(['project', 'kind', 'digest', 'repository'])
      .execute();
    await db.schema
      .createTable('shares')
      .addColumn('project', text, (column) => column.notNull())
      .addColumn('kind', text, (column) => column.notNull())
      .addColumn('digest', text, (column) => column.notNull())
      .addColumn('size', 'bigint', (column) => column.notNull())
      .addColumn('holders', 'integer', (column) => column.notNull())
      .addPrimaryKeyConstraint('shares_key', ['project', 'kind', 'digest'])
      .execute();
    await db.schema.createIndex('shares_digest').on('shares').columns(['digest', 'kind']).execute();
    await db.schema
      .createTable('repository_usages')
      .addColumn('repository', text, (column) => column.primaryKey())
      .addColumn('project', text, (column) => column.notNull())
      .addColumn('objects', 'bigint', (column) => column.notNull())
      .addColumn('bytes', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema
      .createIndex('repository_usages_of_project')
      .on('repository_usages')
      .columns(['project', 'repository'])
      .execute();
    await db.schema
      .createTable('usages')
      .addColumn('project', text, (column) => column.primaryKey())
      .addColumn('objects', 'bigint', (column) => column.notNull())
      .addColumn('bytes', 'bigint', (column) => column.notNull())
      .execute();
  },

  async apply(tables, events) {
    const { stored, held } = changesBy(events);
    await changeStored(tables, stored);
    await changeHeld(tables, held);
  },
};

/** What the events leave: the last one of a digest, or of what a repository holds, says all there is to know of it. */
function changesBy(events: readonly RecordedEvent<StorageEvent>[]) {
  const stored = new Map<string, object>();
  const held = new Map<string, object>();
  const hold = (repository: string, kind: Kind, digest: string, size: number | null, there: boolean) =>
    held.set(`${repository} ${kind} ${digest}`, {
      ...{ repository, kind, digest, size, there },
      project: projectOf(repository),
    });
  for (const { type, data } of events)
    switch (type) {
      case 'BlobStored':
      case 'BlobDeleted':
        stored.set(data.digest, { digest: data.digest, size: data.size, there: type === 'BlobStored' });
        break;
      case 'BlobLinked':
      case 'BlobUnlinked':
        // What is linked is stored, so that the size is known there.
        hold(data.repository, 'blob', data.digest, null, type === 'BlobLinked');
        break;
      case 'ManifestPushed':
      case 'ManifestDeleted':
        hold(data.repository, 'manifest', data.digest, data.size, type === 'ManifestPushed');
    }
  return { stored: [...stored.values()], held: [...held.values()] };
}

async function changeStored(tables: ViewTables, stored: readonly object[]): Promise<void> {
  if (stored.length === 0) return;
  await tables.run(({ table, rows }) => {
    const blobs = rows(stored, { digest: 'text', size: 'bigint', there: 'boolean' });
    return sql`
      WITH given AS MATERIALIZED (SELECT * FROM ${blobs}),
      gone AS (
        DELETE FROM ${table('stored')} stored USING given
        WHERE stored.digest = given.digest AND NOT there RETURNING stored.size
      ),
      come AS (
        INSERT INTO ${table('stored')} (digest, size) SELECT digest, size FROM given WHERE there
        ON CONFLICT DO NOTHING RETURNING size
      ),
      change AS (SELECT 1 AS count, size FROM come UNION ALL SELECT -1, -size FROM gone)
      INSERT INTO ${table('totals')} AS totals ("of", count, bytes)
      SELECT 'blobs', coalesce(sum(count), 0), coalesce(sum(size), 0) FROM change
      ON CONFLICT ("of") DO UPDATE
      SET count = totals.count + excluded.count, bytes = totals.bytes + excluded.bytes`;
  });
}

const heldColumns = {
  repository: 'text',
  kind: 'text',
  digest: 'text',
  project: 'text',
  size: 'bigint',
  there: 'boolean',
} as const;

/** A sum that has come to nothing goes, so that the rows do not tell how the log was cut into batches. */
async function changeHeld(tables: ViewTables, held: readonly object[]): Promise<void> {
  if (held.length === 0) return;
  await tables.run(
    ({ table, rows }) => sql`
      WITH given AS MATERIALIZED (SELECT * FROM ${rows(held, heldColumns)}),
      gone AS (
        DELETE FROM ${table('holdings')} h USING given g
        WHERE NOT g.there AND h.project = g.project AND h.repository = g.repository
          AND h.kind = g.kind AND h.digest = g.digest
        RETURNING h.repository, h.project, h.kind, h.digest, h.size
      ),
      come AS (
        INSERT INTO ${table('holdings')} AS h (repository, kind, digest, project, size)
        SELECT repository, kind, digest, project,
          coalesce(size, (SELECT s.size FROM ${table('stored')} s WHERE s.digest = given.digest), 0)
        FROM given WHERE there
        ON CONFLICT (project, repository, kind, digest) DO NOTHING
        RETURNING h.repository, h.project, h.kind, h.digest, h.size
      ),
      change AS MATERIALIZED (SELECT 1 AS n, come.* FROM come UNION ALL SELECT -1, gone.* FROM gone),
      in_repository AS (
        SELECT c.repository, c.project,
          coalesce(min(u.objects), 0) + sum(c.n) AS objects, coalesce(min(u.bytes), 0) + sum(c.n * c.size) AS bytes
        FROM change c LEFT JOIN ${table('repository_usages')} u ON u.repository = c.repository
        GROUP BY c.repository, c.project
      ),
      repositories_emptied AS (
        DELETE FROM ${table('repository_usages')} u USING in_repository i
        WHERE i.objects = 0 AND u.repository = i.repository
      ),
      repositories_filled AS (
        INSERT INTO ${table('repository_usages')} (repository, project, objects, bytes)
        SELECT repository, project, objects, bytes FROM in_repository WHERE objects <> 0
        ON CONFLICT (repository) DO UPDATE SET objects = excluded.objects, bytes = excluded.bytes
      ),
      counted AS MATERIALIZED (
        SELECT c.project, c.kind, c.digest, min(c.size) AS size,
          coalesce(min(s.holders), 0) AS before, coalesce(min(s.holders), 0) + sum(c.n) AS holders
        FROM change c
        LEFT JOIN ${table('shares')} s ON s.project = c.project AND s.kind = c.kind AND s.digest = c.digest
        GROUP BY c.project, c.kind, c.digest
      ),
      shares_emptied AS (
        DELETE FROM ${table('shares')} s USING counted c
        WHERE c.holders = 0 AND s.project = c.project AND s.kind = c.kind AND s.digest = c.digest
      ),
      shares_filled AS (
        INSERT INTO ${table('shares')} (project, kind, digest, size, holders)
        SELECT project, kind, digest, size, holders FROM counted WHERE holders <> 0
        ON CONFLICT (project, kind, digest) DO UPDATE SET holders = excluded.holders
      ),
      in_project AS (
        SELECT c.project, coalesce(min(u.objects), 0) + sum(c.n) AS objects,
          coalesce(min(u.bytes), 0) + sum(c.n * c.size) AS bytes
        FROM (
          SELECT project, size, (holders > 0)::integer - (before > 0)::integer AS n FROM counted
        ) c LEFT JOIN ${table('usages')} u ON u.project = c.project
        GROUP BY c.project
      ),
      projects_emptied AS (
        DELETE FROM ${table('usages')} u USING in_project i WHERE i.objects = 0 AND u.project = i.project
      )
      INSERT INTO ${table('usages')} (project, objects, bytes)
      SELECT project, objects, bytes FROM in_project WHERE objects <> 0
      ON CONFLICT (project) DO UPDATE SET objects = excluded.objects, bytes = excluded.bytes`,
  );
}
