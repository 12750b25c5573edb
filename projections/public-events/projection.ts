import { sql } from 'kysely';
import type { RecordedEvent } from '../../domain/event.ts';
import { publicEventOf, publishedTypes } from '../../domain/public-event/public-event.ts';
import type { Need, Result } from '../../domain/public-event/publication.ts';
import type { Projection } from '../../infra/database/projection.ts';

export interface PublicEventsDatabase {
  events: {
    position: string;
    at: Date;
    type: string;
    /** `user:ada`, `robot:ci`, `system` or `anonymous`. */
    actor: string;
    need: Need;
    result: Result;
    project: string | null;
    /** Null also for a project of which nobody knows which one it was. */
    project_id: number | null;
    repository: string | null;
    tag: string | null;
    correlation_id: string | null;
  };
  /** The projects that there are. */
  projects: { name: string; project_id: number };
}

/** Nearly all events are of this type, and who asks for them finds some everywhere. */
export const commonType = 'artifact.pulled';

/**
 * Where the events are that the outside may ask for, and for whom: by project, type, who did it, time and request. What they
 * say is read from the log, by their positions.
 */
export const publicEvents: Projection = {
  name: 'public_events',
  version: 1,
  showsUserNames: true,
  handles: publishedTypes,

  async create(db) {
    const text = sql`text COLLATE "C"`;
    await db.schema
      .createTable('events')
      .addColumn('position', 'bigint', (column) => column.primaryKey())
      .addColumn('at', 'timestamptz', (column) => column.notNull())
      .addColumn('type', text, (column) => column.notNull())
      .addColumn('actor', text, (column) => column.notNull())
      .addColumn('need', text, (column) => column.notNull())
      .addColumn('result', text, (column) => column.notNull())
      .addColumn('project', text)
      .addColumn('project_id', 'integer')
      .addColumn('repository', text)
      .addColumn('tag', text)
      .addColumn('correlation_id', text)
      .execute();
    for (const columns of [['at'], ['project_id'], ['actor'], ['correlation_id']])
      await db.schema
        .createIndex(`events_${columns.join('_')}`)
        .on('events')
        .columns([...columns, 'position'])
        .execute();
    await db.schema
      .createIndex('events_type')
      .on('events')
      .columns(['type', 'position'])
      .where(sql<boolean>`type <> ${sql.lit(commonType)}`)
      .execute();
    await db.schema
      .createTable('projects')
      .addColumn('name', text, (column) => column.primaryKey())
      .addColumn('project_id', 'integer', (column) => column.notNull())
      .execute();
  },

  async apply(tables, events) {
    const { rows, projects } = changesBy(events);
    await tables.run(
      (own) => sql`
        INSERT INTO ${own.table('events')}
          (position, at, type, actor, need, result, project, project_id, repository, tag, correlation_id)
        SELECT position, at, type, actor, CASE WHEN need = 'log' AND known.id IS NULL THEN 'system' ELSE need END,
          result, project, known.id, repository, tag, correlation_id
        FROM ${own.rows(rows, given)}
        LEFT JOIN ${own.table('projects')} p ON given.project_id = ${sql.lit(askTable)} AND p.name = given.project,
        LATERAL (SELECT coalesce(p.project_id, nullif(given.project_id, ${sql.lit(askTable)})) AS id) known`,
    );
    await tables.applyChanges(
      'projects',
      ['name'],
      [...projects].map(([name, project_id]) => ({
        row: { name, project_id },
        removed: project_id === null,
      })),
    );
  },
};

/** In the place of the number of a project which none of these events tells. */
const askTable = 0;

const given = {
  position: 'bigint',
  at: 'timestamptz',
  type: 'text',
  actor: 'text',
  need: 'text',
  result: 'text',
  project: 'text',
  project_id: 'integer',
  repository: 'text',
  tag: 'text',
  correlation_id: 'text',
} as const;

function changesBy(events: readonly RecordedEvent[]) {
  /** What the events have made of the names of projects so far: null for one that is gone. */
  const projects = new Map<string, number | null>();
  const idOf = (project: string) => (projects.has(project) ? (projects.get(project) ?? undefined) : askTable);
  const rows: object[] = [];
  for (const event of events) {
    if (event.type === 'ProjectCreated' || event.type === 'ProjectDeleted') {
      const { name, projectId } = event.data as { readonly name: string; readonly projectId: number };
      projects.set(name, event.type === 'ProjectCreated' ? projectId : null);
    }
    const told = publicEventOf(event, { idOf });
    if (told === undefined) continue;
    const { project, projectId, repository, tag, correlationId, type, need, result } = told;
    rows.push({
      ...{ position: String(event.position), at: event.recordedAt, type, actor: event.metadata.actor },
      ...{ need, result, project, project_id: projectId, repository, tag, correlation_id: correlationId },
    });
  }
  return { rows, projects };
}
