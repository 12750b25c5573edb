import { sql } from 'kysely';
import type { Settings } from '../../domain/audit/entry.ts';
import { leftOutWith } from '../../domain/audit/operations.ts';
import { isAuditType } from '../../domain/audit/types.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import { pullsKey } from '../../domain/project/metadata.ts';
import type { ViewTables } from '../../infra/database/projection.ts';
import { type AuditedEvent, actOf, tell } from './act.ts';
import { linkOf, maxRequestMs } from './link.ts';
import { makePartitions, partOf } from './partitions.ts';
import { changedParts, type Difference, differenceOf } from './settings-of.ts';

type Told = RecordedEvent<AuditedEvent>;

/** The columns of the table; what else is given decides what is written in them, and whether. */
const columns = {
  at: 'timestamptz',
  id: 'bigint',
  event_id: 'uuid',
  type: 'text',
  access_token: 'integer',
  is_robot: 'boolean',
  succeeded: 'boolean',
  username: 'text',
  actor_kind: 'text',
  address: 'inet',
  user_agent: 'text',
  resource: 'text',
  description: 'text',
  reason: 'text',
  correlation_id: 'text',
  request_id: 'text',
  before: 'jsonb',
  after: 'jsonb',
  replaceable: 'text',
  part_type: 'text',
} as const;
const given = {
  ...columns,
  project_id: 'integer',
  project: 'text',
  left_out_with: 'text',
  pulls: 'text',
} as const;

interface Row {
  readonly at: Date;
  type: string;
  replaceable: string | null;
  part_type: string | null;
  readonly [column: string]: unknown;
}

/** Writes the entries of events; they have all before them behind them. */
export async function applyEntries(tables: ViewTables, events: readonly Told[]): Promise<void> {
  const differences = events.map(differenceOf);
  const { rows, replaced, projects, pulls, settings } = changesBy(
    events,
    differences,
    await settingsBefore(tables, differences),
  );
  if (replaced.length > 0)
    await tables.run(
      (own) => sql`
        UPDATE ${own.table('entries')} e SET type = part_type, replaceable = NULL, part_type = NULL
        FROM ${own.rows(replaced, { replaceable: 'text', since: 'timestamptz' })}
        WHERE e.replaceable = given.replaceable AND e.at >= given.since AND e.at >= ${earliest(replaced)}`,
    );
  if (rows.length > 0) {
    const parts = [...new Set(rows.map(({ at }) => partOf(at)))];
    await tables.run((own) => makePartitions(own, parts));
    const names = sql.join(Object.keys(columns).map((name) => sql.ref(name)));
    await tables.run(
      (own) => sql`
        INSERT INTO ${own.table('entries')} (${names}, project_id)
        SELECT ${names}, coalesce(given.project_id, p.project_id)
        FROM ${own.rows(rows, given)} LEFT JOIN ${own.table('projects')} p ON p.name = given.project
        WHERE NOT EXISTS (
          SELECT FROM ${own.table('disabled')} d WHERE d.type IN (given.left_out_with, '*')
            AND (d.is_pinned OR d.setting NOT IN (SELECT setting FROM ${own.table('pinned')}))
            -- What a project says of its pulls counts for more than what is set for all.
            AND (d.type = '*' OR given.pulls IS DISTINCT FROM 'told'
              AND (given.pulls IS NOT NULL OR given.type <> 'pull_artifact' OR NOT EXISTS (
                SELECT FROM ${own.table('pull_settings')} s WHERE s.project_id = given.project_id AND s.told)))
        ) AND given.pulls IS DISTINCT FROM 'untold'
          AND (given.pulls IS NOT NULL OR given.type <> 'pull_artifact' OR NOT EXISTS (
            SELECT FROM ${own.table('pull_settings')} s WHERE s.project_id = given.project_id AND NOT s.told))`,
    );
  }
  await tables.applyChanges(
    'projects',
    ['name'],
    [...projects].map(([name, project_id]) => ({ row: { name, project_id }, removed: project_id === null })),
  );
  await tables.applyChanges(
    'pull_settings',
    ['project_id'],
    [...pulls].map(([project_id, said]) => ({
      row: { project_id, told: said === 'told' },
      removed: said === 'unsaid',
    })),
  );
  await tables.applyChanges(
    'settings',
    ['key'],
    [...settings].map(([key, value]) => ({ row: { key, value }, removed: value === null })),
  );
}

/** A bound that the database knows when it plans, so that it looks into the latest partitions alone. */
const earliest = (replaced: readonly { readonly since: Date }[]): Date =>
  new Date(Math.min(...replaced.map(({ since }) => since.getTime())));

/** What the things that the events change were set to before all of these. */
async function settingsBefore(
  tables: ViewTables,
  differences: readonly (Difference | undefined)[],
): Promise<Map<string, Settings | null>> {
  const keys = new Set(
    differences.flatMap((difference) => (difference?.kind === 'kept' ? [difference.key] : [])),
  );
  if (keys.size === 0) return new Map();
  const rows = await tables.read<{ key: string; value: Settings }>(
    (own) => sql`
      SELECT s.key, s.value FROM ${own.table('settings')} s
      JOIN ${own.rows(
        [...keys].map((key) => ({ key })),
        { key: 'text' },
      )} ON s.key = given.key`,
  );
  return new Map(rows.map(({ key, value }) => [key, value]));
}

/** What a project says of its pulls: nothing, and then it is as is set for all, or whether they are told. */
type Pulls = 'told' | 'untold' | 'unsaid';

function changesBy(
  events: readonly Told[],
  differences: readonly (Difference | undefined)[],
  before: ReadonlyMap<string, Settings | null>,
) {
  const rows: Row[] = [];
  const replaced: { readonly replaceable: string; readonly since: Date }[] = [];
  /** By what can find them: the rows of these events that others of them take the place of. */
  const replaceables = new Map<string, Row[]>();
  /** What the events have made of the names of projects so far: null for one that is gone. */
  const projects = new Map<string, number | null>();
  const pulls = new Map<number, Pulls>();
  const settings = new Map<string, Settings | null>();
  for (const [nth, event] of events.entries()) {
    const { replaces, replaceable } = linkOf(event);
    if (replaces !== undefined) {
      const since = new Date(event.recordedAt.getTime() - maxRequestMs);
      for (const row of replaceables.get(replaces) ?? [])
        if (row.at >= since && row.replaceable !== null) becomePart(row);
      replaced.push({ replaceable: replaces, since });
    }
    if (event.type === 'ProjectCreated') projects.set(event.data.name, event.data.projectId);
    if (event.type === 'ProjectDeleted') projects.set(event.data.name, null);
    notePulls(event, pulls);
    const difference = differenceIn(differences[nth], before, settings);
    const told = tell(event);
    if (told === undefined) continue;
    const { position, operation, actor, actorKind, correlationId, requestId, project, projectId } = told;
    const isKnown = projectId !== undefined || project === undefined || projects.has(project);
    const part = replaceable !== undefined && isAuditType(operation) ? actOf(event)?.operation : undefined;
    const row: Row = {
      ...{ at: told.at, id: position, event_id: told.eventId, type: operation },
      left_out_with: leftOutWith(operation),
      project: isKnown ? null : project,
      project_id: projectId ?? projects.get(project ?? '') ?? null,
      pulls: projectId !== undefined && operation === 'pull_artifact' ? (pulls.get(projectId) ?? null) : null,
      ...{ username: actor, is_robot: actorKind === 'robot', actor_kind: actorKind },
      ...{ access_token: told.accessToken, address: told.address, user_agent: told.userAgent },
      ...{ resource: told.resource, description: told.description, succeeded: told.succeeded },
      ...{ reason: told.reason, correlation_id: correlationId },
      request_id: requestId !== null && requestId === correlationId ? '' : requestId,
      ...difference,
      ...{ replaceable: part === undefined ? null : (replaceable ?? null), part_type: part ?? null },
    };
    rows.push(row);
    if (row.replaceable !== null)
      replaceables.set(row.replaceable, [...(replaceables.get(row.replaceable) ?? []), row]);
  }
  return { rows, replaced, projects, pulls, settings };
}

function becomePart(row: Row): void {
  if (row.part_type !== null) row.type = row.part_type;
  row.replaceable = null;
  row.part_type = null;
}

function notePulls(event: Told, pulls: Map<number, Pulls>): void {
  if (event.type === 'ProjectDeleted') pulls.set(event.data.projectId, 'unsaid');
  if (event.type !== 'ProjectMetadataChanged') return;
  const said = event.data.metadata[pullsKey];
  pulls.set(event.data.projectId, said === undefined ? 'unsaid' : said === 'true' ? 'told' : 'untold');
}

/** What was before and is after the event; what it changes is set in `settings`. */
function differenceIn(
  difference: Difference | undefined,
  before: ReadonlyMap<string, Settings | null>,
  settings: Map<string, Settings | null>,
): { readonly before: Settings | null; readonly after: Settings | null } {
  if (difference === undefined) return { before: null, after: null };
  if (difference.kind === 'told') return { before: difference.before, after: difference.after };
  const { key, value, isPart } = difference;
  const old = (settings.has(key) ? settings.get(key) : before.get(key)) ?? null;
  settings.set(key, isPart && value !== null ? { ...old, ...value } : value);
  if (!isPart || value === null) return changedParts(old, value);
  const changed = Object.entries(old ?? {}).filter(([name]) => Object.hasOwn(value, name));
  return { before: Object.fromEntries(changed), after: value };
}
