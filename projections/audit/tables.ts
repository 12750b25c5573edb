import { sql } from 'kysely';
import type { ActorKind, Settings } from '../../domain/audit/entry.ts';
import type { AuditOperation } from '../../domain/audit/operations.ts';
import type { ViewDatabase } from '../../infra/database/projection.ts';

export interface AuditDatabase {
  entries: {
    at: Date;
    /** The position of the event. */
    id: string;
    event_id: string;
    type: AuditOperation;
    /** Null for what is of no project. */
    project_id: number | null;
    /** Who did it, without the prefix of a robot. */
    username: string;
    is_robot: boolean;
    actor_kind: ActorKind;
    access_token: number | null;
    address: string | null;
    user_agent: string | null;
    resource: string;
    description: string;
    succeeded: boolean;
    reason: string | null;
    correlation_id: string | null;
    /** Empty where it is the correlation id. */
    request_id: string | null;
    before: Settings | null;
    after: Settings | null;
    /** By what a later event of the same request finds the row that it takes the place of in Harbor's log. */
    replaceable: string | null;
    /** What the row is told as then. */
    part_type: AuditOperation | null;
  };
  /** The projects that there are. */
  projects: { name: string; project_id: number };
  /** Whether pulls of a project are told, of those that say so themselves. */
  pull_settings: { project_id: number; told: boolean };
  /** What the things are set to whose changes are told with what was before. */
  settings: { key: string; value: Settings };
  /** What is not written, by the setting that says so; `*` for everything. */
  disabled: { setting: string; is_pinned: boolean; type: string };
  /** The settings of which the deployment says what they are; what is set of them does not count. */
  pinned: { setting: string };
}

const text = sql`text COLLATE "C"`;

export async function createTables(db: ViewDatabase): Promise<void> {
  await createEntries(db);
  await db.schema
    .createTable('projects')
    .addColumn('name', text, (column) => column.primaryKey())
    .addColumn('project_id', 'integer', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('pull_settings')
    .addColumn('project_id', 'integer', (column) => column.primaryKey())
    .addColumn('told', 'boolean', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('settings')
    .addColumn('key', text, (column) => column.primaryKey())
    .addColumn('value', 'jsonb', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('disabled')
    .addColumn('setting', text, (column) => column.notNull())
    .addColumn('is_pinned', 'boolean', (column) => column.notNull())
    .addColumn('type', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('disabled_key', ['setting', 'is_pinned', 'type'])
    .execute();
  await db.schema
    .createTable('pinned')
    .addColumn('setting', text, (column) => column.primaryKey())
    .execute();
}

async function createEntries(db: ViewDatabase): Promise<void> {
  await db.schema
    .createTable('entries')
    .addColumn('at', 'timestamptz', (column) => column.notNull())
    .addColumn('id', 'bigint', (column) => column.notNull())
    .addColumn('event_id', 'uuid', (column) => column.notNull())
    .addColumn('type', text, (column) => column.notNull())
    .addColumn('project_id', 'integer')
    .addColumn('access_token', 'integer')
    .addColumn('is_robot', 'boolean', (column) => column.notNull())
    .addColumn('succeeded', 'boolean', (column) => column.notNull())
    .addColumn('username', text, (column) => column.notNull())
    .addColumn('actor_kind', text, (column) => column.notNull())
    .addColumn('address', sql`inet`)
    .addColumn('user_agent', 'text')
    .addColumn('resource', text, (column) => column.notNull())
    .addColumn('description', 'text', (column) => column.notNull())
    .addColumn('reason', 'text')
    .addColumn('correlation_id', text)
    .addColumn('request_id', text)
    .addColumn('before', 'jsonb')
    .addColumn('after', 'jsonb')
    .addColumn('replaceable', text)
    .addColumn('part_type', text)
    // Nearly all rows are pulls, so that most questions go by types.
    .addPrimaryKeyConstraint('entries_key', ['type', 'at', 'id'])
    .modifyEnd(sql`PARTITION BY RANGE (at)`)
    .execute();
  for (const columns of [
    ['project_id', 'type'],
    ['username', 'is_robot', 'type'],
    ['resource', 'type'],
    ['project_id', 'username', 'is_robot', 'type'],
    // Of these one has few rows.
    ['correlation_id'],
    ['address'],
  ])
    await db.schema
      .createIndex(`entries_${columns.join('_')}`)
      .on('entries')
      .columns([...columns, 'at', 'id'])
      .execute();
  await db.schema
    .createIndex('entries_request_id')
    .on('entries')
    .columns(['request_id', 'at', 'id'])
    .where(sql<boolean>`request_id <> ''`)
    .execute();
  await db.schema
    .createIndex('entries_failed')
    .on('entries')
    .columns(['type', 'at', 'id'])
    .where(sql<boolean>`NOT succeeded`)
    .execute();
  await db.schema
    .createIndex('entries_reason')
    .on('entries')
    .columns(['at', 'id'])
    .where(sql<boolean>`reason IS NOT NULL`)
    .execute();
  await db.schema
    .createIndex('entries_replaceable')
    .on('entries')
    .column('replaceable')
    .where(sql<boolean>`replaceable IS NOT NULL`)
    .execute();
  // Both grow as rows are written, so that next to nothing says where they are.
  await db.schema
    .createIndex('entries_ids')
    .on('entries')
    .using('brin')
    .columns(['id', 'event_id'])
    .execute();
}
