import { sql } from 'kysely';
import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import type { PullEvent } from '../../domain/pull/events.ts';
import type { RepositoryEvent } from '../../domain/repository/events.ts';
import type { TagEvent } from '../../domain/tag/events.ts';
import type { Projection, ViewDatabase, ViewTables } from '../../infra/database/projection.ts';

export interface PullsDatabase {
  /** `position` is that of the last pull: what was deleted and pushed again since has none. */
  artifacts: { repository: string; digest: string; pulled_at: Date; position: string };
  tags: { repository: string; tag: string; pulled_at: Date; position: string };
  /** `deleted_at` is when there was one of this name last; what was pulled before was pulled from that one. */
  repositories: { name: string; count: string; deleted_at: Date | null };
  /** By their numbers, those that are gone. */
  deleted_projects: { project_id: number };
}

type Event =
  | PullEvent
  | Extract<ArtifactEvent, { type: 'ManifestDeleted' }>
  | Extract<TagEvent, { type: 'TagRemoved' }>
  | Extract<RepositoryEvent, { type: 'RepositoryDeleted' }>
  | Extract<ProjectEvent, { type: 'ProjectDeleted' }>;

/**
 * When artifacts and tags were pulled last, and how often repositories were. It is apart from the lists that show it, so
 * that a thousand pulls rewrite a few small rows, and no push waits behind them.
 */
export const pulls: Projection<Event> = {
  name: 'pulls',
  version: 2,
  handles: ['ArtifactPulled', 'ManifestDeleted', 'TagRemoved', 'RepositoryDeleted', 'ProjectDeleted'],

  async create(db) {
    await createTimes(db, 'artifacts', 'digest');
    await createTimes(db, 'tags', 'tag');
    await db.schema
      .createTable('repositories')
      .addColumn('name', text, (column) => column.primaryKey())
      .addColumn('count', 'bigint', (column) => column.notNull())
      .addColumn('deleted_at', 'timestamptz')
      .modifyEnd(roomToUpdate)
      .execute();
    await db.schema
      .createTable('deleted_projects')
      .addColumn('project_id', 'integer', (column) => column.primaryKey())
      .execute();
  },

  async apply(tables, events) {
    const { artifacts, tags, repositories, projects } = changesBy(events);
    await applyTimes(tables, 'artifacts', 'digest', artifacts);
    await applyTimes(tables, 'tags', 'tag', tags);
    await removeProjects(tables, projects);
    await applyDeletions(tables, repositories);
    await applyCounts(
      tables,
      [...repositories.values()].flatMap((repository) => repository.pulls),
    );
  },
};

const text = sql`text COLLATE "C"`;
/** Rows are rewritten again and again, and no index has what changes in them. */
const roomToUpdate = sql`WITH (fillfactor = 70)`;

const createTimes = (db: ViewDatabase, table: string, of: string) =>
  db.schema
    .createTable(table)
    .addColumn('repository', text, (column) => column.notNull())
    .addColumn(of, text, (column) => column.notNull())
    .addColumn('pulled_at', 'timestamptz', (column) => column.notNull())
    .addColumn('position', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint(`${table}_key`, ['repository', of])
    .modifyEnd(roomToUpdate)
    .execute();

/** What happened to one artifact or tag; `isNew` where what was known of it before does not count any more. */
interface Time {
  readonly repository: string;
  readonly name: string;
  readonly isNew: boolean;
  readonly pulled_at: string | null;
  readonly position: string;
}

/** What happened to one repository: the pulls since it was deleted last. */
interface Repository {
  readonly pulls: { name: string; project_id: number; pulled_at: string; times: number }[];
  readonly deletedAt: Date | null;
}

function changesBy(events: readonly RecordedEvent<Event>[]) {
  const artifacts = new Map<string, Time>();
  const tags = new Map<string, Time>();
  const repositories = new Map<string, Repository>();
  const projects = new Map<number, string>();

  function pulled(times: Map<string, Time>, repository: string, name: string, at: string, position: bigint) {
    const key = `${repository} ${name}`;
    const { isNew = false, pulled_at: before = null } = times.get(key) ?? {};
    // Of gateways whose clocks differ the later one counts.
    const pulled_at = before === null || before < at ? at : before;
    times.set(key, { repository, name, isNew, pulled_at, position: String(position) });
  }
  const forgotten = (times: Map<string, Time>, repository: string, name: string) =>
    times.set(`${repository} ${name}`, { repository, name, isNew: true, pulled_at: null, position: '0' });

  for (const { type, data, position, recordedAt } of events) {
    switch (type) {
      case 'ArtifactPulled': {
        const { repository, digest, tag, pulledAt } = data;
        if (data.timed) pulled(artifacts, repository, digest, pulledAt, position);
        if (data.timed && tag !== undefined) pulled(tags, repository, tag, pulledAt, position);
        if (!data.counted) break;
        const { pulls = [], deletedAt = null } = repositories.get(repository) ?? {};
        const { projectId: project_id, times = 1 } = data;
        pulls.push({ name: repository, project_id, pulled_at: pulledAt, times });
        repositories.set(repository, { pulls, deletedAt });
        break;
      }
      case 'ManifestDeleted':
        forgotten(artifacts, data.repository, data.digest);
        break;
      case 'TagRemoved':
        forgotten(tags, data.repository, data.tag);
        break;
      case 'RepositoryDeleted': {
        const { deletedAt: before = null } = repositories.get(data.repository) ?? {};
        const deletedAt = before === null || before < recordedAt ? recordedAt : before;
        repositories.set(data.repository, { pulls: [], deletedAt });
        break;
      }
      case 'ProjectDeleted':
        projects.set(data.projectId, data.name);
        for (const name of repositories.keys())
          if (name.startsWith(`${data.name}/`)) repositories.delete(name);
    }
  }
  return { artifacts, tags, repositories, projects };
}

async function applyTimes(
  tables: ViewTables,
  table: string,
  of: string,
  times: ReadonlyMap<string, Time>,
): Promise<void> {
  const all = [...times.values()];
  await tables.remove(
    table,
    ['repository', of],
    all.filter(({ isNew }) => isNew).map(({ repository, name }) => ({ repository, [of]: name })),
  );
  const pulled = all
    .filter(({ pulled_at }) => pulled_at !== null)
    .map(({ repository, name, pulled_at, position }) => ({ repository, [of]: name, pulled_at, position }));
  if (pulled.length === 0) return;
  const columns = { repository: 'text', [of]: 'text', pulled_at: 'timestamptz', position: 'bigint' } as const;
  await tables.run(
    ({ table: named, rows }) => sql`
      INSERT INTO ${named(table)} AS stored (repository, ${sql.ref(of)}, pulled_at, position)
      SELECT repository, ${sql.ref(of)}, pulled_at, position FROM ${rows(pulled, columns)}
      ON CONFLICT (repository, ${sql.ref(of)}) DO UPDATE
      SET pulled_at = greatest(stored.pulled_at, excluded.pulled_at), position = excluded.position`,
  );
}

/** What is in a project goes piece by piece; its repositories go without an event of their own. */
async function removeProjects(tables: ViewTables, gone: ReadonlyMap<number, string>): Promise<void> {
  if (gone.size === 0) return;
  await tables.write(
    'deleted_projects',
    ['project_id'],
    [...gone.keys()].map((project_id) => ({ project_id })),
  );
  // `0` follows `/`, so these are all names that begin with the project and a slash.
  const ranges = [...gone.values()].map((name) => ({ low: `${name}/`, high: `${name}0` }));
  await tables.run(
    ({ table, rows }) => sql`
      DELETE FROM ${table('repositories')} r USING ${rows(ranges, { low: 'text', high: 'text' })}
      WHERE r.name >= given.low AND r.name < given.high`,
  );
}

async function applyDeletions(
  tables: ViewTables,
  repositories: ReadonlyMap<string, Repository>,
): Promise<void> {
  const deleted = [...repositories].flatMap(([name, { deletedAt }]) =>
    deletedAt === null ? [] : [{ name, deleted_at: deletedAt }],
  );
  if (deleted.length === 0) return;
  await tables.run(
    ({ table, rows }) => sql`
      INSERT INTO ${table('repositories')} AS stored (name, count, deleted_at)
      SELECT name, 0, deleted_at FROM ${rows(deleted, { name: 'text', deleted_at: 'timestamptz' })}
      ON CONFLICT (name) DO UPDATE
      SET count = 0, deleted_at = greatest(stored.deleted_at, excluded.deleted_at)`,
  );
}

/** Pulls are recorded a moment later: by then what they were of can be gone, and the next of the name be there. */
async function applyCounts(tables: ViewTables, pulled: Repository['pulls']): Promise<void> {
  if (pulled.length === 0) return;
  const columns = { name: 'text', project_id: 'integer', pulled_at: 'timestamptz', times: 'bigint' } as const;
  await tables.run(
    ({ table, rows }) => sql`
      INSERT INTO ${table('repositories')} AS stored (name, count)
      SELECT name, sum(times) FROM ${rows(pulled, columns)}
      WHERE NOT EXISTS (SELECT FROM ${table('deleted_projects')} p WHERE p.project_id = given.project_id)
        AND NOT EXISTS (
          SELECT FROM ${table('repositories')} r WHERE r.name = given.name AND r.deleted_at >= given.pulled_at)
      GROUP BY name
      ON CONFLICT (name) DO UPDATE SET count = stored.count + excluded.count`,
  );
}
