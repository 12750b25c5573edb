import { sql } from 'kysely';
import type { AuditPurgeEvent, AuditSettingsEvent } from '../../domain/audit/events.ts';
import { type AuditType, typesIn } from '../../domain/audit/types.ts';
import type { ConfigurationEvent } from '../../domain/configuration/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { Projection, ViewTables } from '../../infra/database/projection.ts';
import { entryOf, type ToldEvent } from './entry.ts';

export interface AuditDatabase {
  entries: {
    at: Date;
    /** The position of the event. */
    id: string;
    type: AuditType;
    /** Null for what is of no project. */
    project_id: number | null;
    /** Who did it, without the prefix of a robot. */
    username: string;
    is_robot: boolean;
    resource: string;
    description: string;
    succeeded: boolean;
    /** By what a later event of the same request finds the row that it takes the place of. */
    replaceable: string | null;
  };
  /** The projects that there are. */
  projects: { name: string; project_id: number };
  /** What is not written, by the setting that says so; `*` for everything. */
  disabled: { setting: string; is_pinned: boolean; type: string };
  /** The settings of which the deployment says what they are; what is set of them does not count. */
  pinned: { setting: string };
}

type Event = ToldEvent | AuditPurgeEvent | AuditSettingsEvent;

/**
 * Who did what, as Harbor's audit log tells it: one row for each request that changed something, for each pull, login
 * and logout, and for changes that were refused. Settings of what to leave out count from their event on, and a purge takes
 * the rows of events before it; the events themselves stay.
 */
export const audit: Projection<Event> = {
  name: 'audit',
  version: 3,
  showsUserNames: true,
  handles: [
    'ManifestPushed',
    'ManifestDeleted',
    'ArtifactPulled',
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
    'UserCreated',
    'UserDeleted',
    'UserErased',
    'UserProfileChanged',
    'UserPasswordChanged',
    'UserAdministratorChanged',
    'ConfigurationChanged',
    'LoginSucceeded',
    'LoginFailed',
    'LoggedOut',
    'ChangeRefused',
    'AuditLogPurged',
    'AuditSettingsPinned',
  ],

  async create(db) {
    const text = sql`text COLLATE "C"`;
    await db.schema
      .createTable('entries')
      .addColumn('at', 'timestamptz', (column) => column.notNull())
      .addColumn('id', 'bigint', (column) => column.notNull())
      .addColumn('type', text, (column) => column.notNull())
      .addColumn('project_id', 'integer')
      .addColumn('username', text, (column) => column.notNull())
      .addColumn('is_robot', 'boolean', (column) => column.notNull())
      .addColumn('resource', text, (column) => column.notNull())
      .addColumn('description', 'text', (column) => column.notNull())
      .addColumn('succeeded', 'boolean', (column) => column.notNull())
      .addColumn('replaceable', text)
      // Nearly all rows are pulls, so that every question goes by types.
      .addPrimaryKeyConstraint('entries_key', ['type', 'at', 'id'])
      .execute();
    for (const columns of [
      ['project_id'],
      ['username', 'is_robot'],
      ['resource'],
      ['project_id', 'username', 'is_robot'],
    ])
      await db.schema
        .createIndex(`entries_${columns.join('_')}`)
        .on('entries')
        .columns([...columns, 'type', 'at', 'id'])
        .execute();
    await db.schema
      .createIndex('entries_failed')
      .on('entries')
      .columns(['type', 'at', 'id'])
      .where(sql<boolean>`NOT succeeded`)
      .execute();
    await db.schema
      .createIndex('entries_replaceable')
      .on('entries')
      .column('replaceable')
      .where(sql<boolean>`replaceable IS NOT NULL`)
      .execute();
    await db.schema
      .createTable('projects')
      .addColumn('name', text, (column) => column.primaryKey())
      .addColumn('project_id', 'integer', (column) => column.notNull())
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
  },

  async apply(tables, events) {
    for (const { kind, run } of runsOf(events)) await applyRun[kind](tables, run as never);
  },
};

/** Each run has all before it behind it. */
const applyRun = {
  entries: applyEntries,
  async configurations(tables: ViewTables, run: readonly RecordedEvent<ConfigurationEvent>[]) {
    // The change of a setting is told as it was before.
    await applyEntries(tables, run);
    await applySettings(tables, run);
  },
  pins: applyPins,
  purges: applyPurges,
} as const;

const runKinds: Readonly<Partial<Record<Event['type'], keyof typeof applyRun>>> = {
  AuditLogPurged: 'purges',
  AuditSettingsPinned: 'pins',
  ConfigurationChanged: 'configurations',
};

function runsOf(events: readonly RecordedEvent<Event>[]) {
  const runs: { readonly kind: keyof typeof applyRun; readonly run: RecordedEvent<Event>[] }[] = [];
  for (const event of events) {
    const kind = runKinds[event.type] ?? 'entries';
    const last = runs.at(-1);
    if (last?.kind === kind && kind !== 'configurations') last.run.push(event);
    else runs.push({ kind, run: [event] });
  }
  return runs;
}

const given = {
  at: 'timestamptz',
  id: 'bigint',
  type: 'text',
  project: 'text',
  project_id: 'integer',
  username: 'text',
  is_robot: 'boolean',
  resource: 'text',
  description: 'text',
  succeeded: 'boolean',
  replaceable: 'text',
} as const;

async function applyEntries(tables: ViewTables, events: readonly RecordedEvent<ToldEvent>[]): Promise<void> {
  const { rows, replaced, projects } = changesBy(events);
  if (replaced.length > 0)
    await tables.run(
      (own) => sql`
        DELETE FROM ${own.table('entries')} e
        USING ${own.rows(replaced, { replaceable: 'text', since: 'timestamptz' })}
        WHERE e.replaceable = given.replaceable AND e.at >= given.since`,
    );
  if (rows.length > 0)
    await tables.run(
      (own) => sql`
        INSERT INTO ${own.table('entries')}
          (at, id, type, project_id, username, is_robot, resource, description, succeeded, replaceable)
        SELECT at, id, type, coalesce(given.project_id, p.project_id), username, is_robot, resource, description,
          succeeded, replaceable
        FROM ${own.rows(rows, given)} LEFT JOIN ${own.table('projects')} p ON p.name = given.project
        WHERE NOT EXISTS (
          SELECT FROM ${own.table('disabled')} d WHERE d.type IN (given.type, '*')
            AND (d.is_pinned OR d.setting NOT IN (SELECT setting FROM ${own.table('pinned')})))`,
    );
  await tables.applyChanges(
    'projects',
    ['name'],
    [...projects].map(([name, project_id]) => ({ row: { name, project_id }, removed: project_id === null })),
  );
}

function changesBy(events: readonly RecordedEvent<ToldEvent>[]) {
  const rows = new Map<string, object>();
  const replaced: object[] = [];
  /** By what can find them: the rows of these events that others of them take the place of. */
  const replaceables = new Map<string, { readonly id: string; readonly at: Date }[]>();
  /** What the events have made of the names of projects so far: null for one that is gone. */
  const projects = new Map<string, number | null>();
  for (const event of events) {
    const id = String(event.position);
    const { replaces, replaceable } = linkOf(event);
    if (replaces !== undefined) {
      const since = new Date(event.recordedAt.getTime() - maxRequestMs);
      for (const { id: other, at } of replaceables.get(replaces) ?? []) if (at >= since) rows.delete(other);
      replaced.push({ replaceable: replaces, since });
    }
    if (event.type === 'ProjectCreated') projects.set(event.data.name, event.data.projectId);
    if (event.type === 'ProjectDeleted') projects.set(event.data.name, null);
    const entry = entryOf(event);
    if (entry === undefined) continue;
    if (replaceable !== undefined)
      replaceables.set(replaceable, [...(replaceables.get(replaceable) ?? []), { id, at: event.recordedAt }]);
    const { type, project, projectId, resource, description } = entry;
    const isKnown = projectId !== undefined || project === undefined || projects.has(project);
    rows.set(id, {
      ...{ at: event.type === 'ArtifactPulled' ? event.data.pulledAt : event.recordedAt, id, type },
      project: isKnown ? null : project,
      project_id: projectId ?? projects.get(project ?? '') ?? null,
      ...(entry.username === undefined
        ? whoIn(event.metadata.actor)
        : { username: entry.username, is_robot: false }),
      ...{ resource, description, succeeded: entry.failed !== true, replaceable: replaceable ?? null },
    });
  }
  return { rows: [...rows.values()], replaced, projects };
}

const whoIn = (actor: string) => ({
  username: actor === 'system' ? jobService : actor.replace(/^(?:user|robot):/, ''),
  is_robot: actor.startsWith('robot:'),
});
/** Harbor's name for who does what policies say. */
const jobService = 'harbor-jobservice';

/**
 * What was recorded longer before is another request's: the ids of older events were of the client's choice, who could send
 * one twice.
 */
const maxRequestMs = 60_000;

interface Link {
  readonly replaces?: string;
  readonly replaceable?: string;
}

/**
 * What one request does at once is told once, though some of its events may have been applied in an earlier batch: a push
 * by its tags where it has some, a deletion by the artifact, and the changes of a project together.
 */
function linkOf({ type, data, metadata }: RecordedEvent<ToldEvent>): Link {
  const { correlationId, requestId, operation, actor } = metadata;
  // What is done in the course of a job is no request.
  if (correlationId === undefined || requestId === undefined) return {};
  const request = `${correlationId} ${actor}`;
  switch (type) {
    case 'ManifestPushed':
      return { replaceable: `push ${request} ${data.repository}@${data.digest}` };
    case 'TagAssigned':
    case 'TagMoved':
      return { replaces: `push ${request} ${data.repository}@${data.digest}` };
    case 'TagRemoved':
      return operation === undefined ? { replaceable: `delete ${request} ${data.repository}` } : {};
    case 'ManifestDeleted':
      return operation === undefined ? { replaces: `delete ${request} ${data.repository}` } : {};
    case 'ProjectMetadataChanged':
    case 'ProjectCveAllowlistChanged': {
      const link = `update ${request} ${data.projectId}`;
      return { replaces: link, replaceable: link };
    }
    default:
      return {};
  }
}

/** What each setting leaves out, by its value. */
const leftOut: Readonly<Record<string, (value: unknown) => readonly string[]>> = {
  disabled_audit_log_event_types: (value) => (typeof value === 'string' ? typesIn(value) : []),
  pull_audit_log_disable: (value) => (value === true ? ['pull_artifact'] : []),
  skip_audit_log_database: (value) => (value === true ? ['*'] : []),
};

async function applySettings(
  tables: ViewTables,
  events: readonly RecordedEvent<ConfigurationEvent>[],
): Promise<void> {
  for (const { data } of events) {
    const changed = Object.keys(leftOut).filter((setting) => Object.hasOwn(data.items, setting));
    await tables.remove(
      'disabled',
      ['setting', 'is_pinned'],
      changed.map((setting) => ({ setting, is_pinned: false })),
    );
    await tables.write('disabled', disabledKey, disabledBy(data.items, false));
  }
}

const disabledKey = ['setting', 'is_pinned', 'type'];
const disabledBy = (settings: Readonly<Record<string, unknown>>, is_pinned: boolean) =>
  Object.entries(settings).flatMap(([setting, value]) =>
    (leftOut[setting]?.(value) ?? []).map((type) => ({ setting, is_pinned, type })),
  );

/** The last says all. */
async function applyPins(
  tables: ViewTables,
  events: readonly RecordedEvent<AuditSettingsEvent>[],
): Promise<void> {
  const items = events.at(-1)?.data.items ?? {};
  await tables.remove('disabled', ['is_pinned'], [{ is_pinned: true }]);
  await tables.run((own) => sql`DELETE FROM ${own.table('pinned')}`);
  await tables.write(
    'pinned',
    ['setting'],
    Object.keys(items).map((setting) => ({ setting })),
  );
  await tables.write('disabled', disabledKey, disabledBy(items, true));
}

async function applyPurges(
  tables: ViewTables,
  events: readonly RecordedEvent<AuditPurgeEvent>[],
): Promise<void> {
  const ranges = events.map(({ data: { type, from, until } }) => ({
    ...{ type, low: from ?? '-infinity', high: until },
  }));
  await tables.run(
    (own) => sql`
      DELETE FROM ${own.table('entries')} e
      USING ${own.rows(ranges, { type: 'text', low: 'timestamptz', high: 'timestamptz' })}
      WHERE e.type = given.type AND e.at >= given.low AND e.at < given.high`,
  );
}
