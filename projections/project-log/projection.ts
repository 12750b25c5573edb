import { sql } from 'kysely';
import type { RecordedEvent } from '../../domain/event.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { entryOf, type LoggedEvent } from './entry.ts';

export interface ProjectLogDatabase {
  entries: {
    /** The position of the event. */
    id: string;
    project: string;
    /** Who did it, without the prefix of a robot. */
    username: string;
    is_robot: boolean;
    operation: string;
    resource_type: string;
    resource: string;
    description: string;
    at: Date;
    /** Of a push without a tag so far: the request and what it pushed. */
    push: string | null;
  };
  /** Where each project begins: what a former one of its name did is not its. */
  beginnings: { project: string; position: string };
}

/** What was done in each project and by whom, as Harbor's log of a project tells it. */
export const projectLog: Projection<LoggedEvent> = {
  name: 'project_log',
  version: 1,
  handles: [
    'ManifestPushed',
    'ManifestDeleted',
    'TagAssigned',
    'TagMoved',
    'TagRemoved',
    'RepositoryDeleted',
    'ProjectCreated',
    'ProjectMetadataChanged',
    'ProjectCveAllowlistChanged',
    'ProjectDeleted',
    'MemberAdded',
    'MemberRoleChanged',
    'MemberRemoved',
    'RobotCreated',
    'RobotDeleted',
  ],

  async create(db) {
    const text = sql`text COLLATE "C"`;
    await db.schema
      .createTable('entries')
      .addColumn('id', 'bigint', (column) => column.primaryKey())
      .addColumn('project', text, (column) => column.notNull())
      .addColumn('username', 'text', (column) => column.notNull())
      .addColumn('is_robot', 'boolean', (column) => column.notNull())
      .addColumn('operation', 'text', (column) => column.notNull())
      .addColumn('resource_type', 'text', (column) => column.notNull())
      .addColumn('resource', 'text', (column) => column.notNull())
      .addColumn('description', 'text', (column) => column.notNull())
      .addColumn('at', 'timestamptz', (column) => column.notNull())
      .addColumn('push', text)
      .execute();
    await db.schema.createIndex('entries_of_project').on('entries').columns(['project', 'id']).execute();
    await db.schema
      .createIndex('entries_push')
      .on('entries')
      .column('push')
      .where(sql<boolean>`push IS NOT NULL`)
      .execute();
    await db.schema
      .createTable('beginnings')
      .addColumn('project', text, (column) => column.primaryKey())
      .addColumn('position', 'bigint', (column) => column.notNull())
      .execute();
  },

  async apply(tables, events) {
    const { rows, tagged, beginnings } = changesBy(events);
    // A push with tags is told with these; its manifest may have come in an earlier batch.
    await tables.remove('entries', ['push'], tagged);
    await tables.write('entries', ['id'], rows);
    await tables.write('beginnings', ['project'], beginnings);
  },
};

function changesBy(events: readonly RecordedEvent<LoggedEvent>[]) {
  const rows = new Map<string, object>();
  /** By what was pushed: the entry of a manifest that no tag of the same request points at so far. */
  const pushes = new Map<string, string>();
  const tagged: object[] = [];
  const beginnings: object[] = [];
  for (const event of events) {
    const id = String(event.position);
    const push = pushOf(event);
    if (push !== undefined && (event.type === 'TagAssigned' || event.type === 'TagMoved')) {
      rows.delete(pushes.get(push) ?? '');
      pushes.delete(push);
      tagged.push({ push });
    }
    if (event.type === 'ProjectCreated') beginnings.push({ project: event.data.name, position: id });
    const entry = entryOf(event);
    if (entry === undefined) continue;
    const isPush = event.type === 'ManifestPushed' && push !== undefined;
    if (isPush) pushes.set(push, id);
    const { project, operation, resourceType, resource, description } = entry;
    rows.set(id, {
      ...{ id, project, ...whoIn(event.metadata.actor), operation, resource_type: resourceType },
      ...{ resource, description, at: event.recordedAt, push: isPush ? push : null },
    });
  }
  return { rows: [...rows.values()], tagged, beginnings };
}

/** What the manifest and the tags of one request have in common. */
function pushOf({ type, data, metadata }: RecordedEvent<LoggedEvent>): string | undefined {
  if (type !== 'ManifestPushed' && type !== 'TagAssigned' && type !== 'TagMoved') return undefined;
  const { correlationId } = metadata;
  return correlationId === undefined ? undefined : `${correlationId} ${data.repository}@${data.digest}`;
}

const whoIn = (actor: string) => ({
  username: actor.replace(/^(?:user|robot):/, ''),
  is_robot: actor.startsWith('robot:'),
});
