import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { AuditEntry } from '../../domain/audit/entry.ts';
import { resourceTypeOf } from '../../domain/audit/operations.ts';
import { bounded } from '../bounded.ts';
import { allOf, branches, inTime as orderIn } from './branches.ts';
import { boundsOf } from './partitions.ts';
import { partsIn } from './parts-in.ts';
import type { AuditScope } from './queries.ts';
import { type AuditQuestion, type Condition, maxSortedRows, type Way, wayTo } from './question.ts';
import type { AuditDatabase } from './tables.ts';

type Db = Kysely<AuditDatabase>;

/** Where a search goes on: behind the row of this time and position, in its direction. */
export interface AuditPlace {
  readonly at: Date;
  readonly id: string;
}

export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  /** Undefined where there are no more; a page with fewer entries than were asked for may have a next one. */
  readonly next: AuditPlace | undefined;
}

export interface AuditPaging {
  readonly after: AuditPlace | undefined;
  readonly descending: boolean;
  readonly limit: number;
}

/** So many rows are looked at for one page at most, and so many lists merged; the next page goes on from there. */
const maxSearched = 3000;
const firstSearched = 1000;
const maxMerged = 10_000;

/**
 * Entries in the order of time, however many there are: a page costs no more than what it may look at.
 * @throws QuestionTooLong
 */
export const searchAudit = (db: Db, question: AuditQuestion, paging: AuditPaging): Promise<AuditPage> =>
  bounded(db, (inTime) => search(inTime, question, paging));

async function search(db: Db, question: AuditQuestion, paging: AuditPaging): Promise<AuditPage> {
  const { after, descending, limit } = paging;
  const way = await wayTo(question, (range) => isFew(db, question, range));
  if (question.operations.length === 0 || way.projectIds?.length === 0)
    return { entries: [], next: undefined };
  const merged = question.operations.length * (way.projectIds?.length ?? 1);
  const rows: Row[] = [];
  let place = after;
  let searched = 0;
  let lists = 0;
  const windows = await windowsOf(db, way, question, paging);
  for (const [index, window] of windows.entries()) {
    for (;;) {
      const wanted = limit + 1 - rows.length;
      const left = searched === 0 ? firstSearched : maxSearched - searched;
      const most = way.searched.length === 0 ? wanted : left;
      const found = await look(db, question, way, { window, place, descending, most, wanted });
      rows.push(...found.rows);
      if (rows.length > limit) {
        const shown = rows.slice(0, limit);
        return { entries: shown.map(entryOf), next: placeOf(shown.at(-1)) };
      }
      searched += way.searched.length === 0 ? 0 : found.looked;
      if (found.looked < most) break;
      place = found.last;
      if (searched >= maxSearched) return { entries: rows.map(entryOf), next: place };
    }
    place = undefined;
    lists += merged;
    if (way.kind === 'by operation' && lists >= maxMerged && index < windows.length - 1)
      return { entries: rows.map(entryOf), next: endOf(window, descending) };
  }
  return { entries: rows.map(entryOf), next: undefined };
}

/** One entry; `id` is its position or the id of its event. */
export async function findAuditEntry(
  db: Db,
  id: { readonly position: string } | { readonly eventId: string },
  scope: AuditScope,
): Promise<AuditEntry | undefined> {
  const which = 'position' in id ? sql`e.id = ${id.position}` : sql`e.event_id = ${id.eventId}`;
  const within =
    scope.kind === 'projects'
      ? sql`e.project_id = ANY (${[...scope.projectIds]}::integer[])`
      : sql.raw(scope.kind === 'everything' ? 'true' : 'e.project_id IS NOT NULL');
  return bounded(db, async (inTime) => {
    const { rows } = await sql<Row>`
      SELECT ${shown} FROM ${inTime.selectFrom('entries').selectAll()} e WHERE ${which} AND ${within} LIMIT 1`.execute(
      inTime,
    );
    return rows[0] && entryOf(rows[0]);
  });
}

interface Window {
  readonly from: Date | null;
  readonly until: Date | null;
}

/** What is merged from many lists is asked for month by month: most pages are full after the first. */
async function windowsOf(
  db: Db,
  { kind }: Way,
  { from, until }: AuditQuestion,
  { after, descending }: AuditPaging,
): Promise<readonly Window[]> {
  // A moment further than the place: rows of its own time may be behind it.
  const low = latest(from, descending ? undefined : after?.at);
  const high = earliest(
    until,
    descending && after !== undefined ? new Date(after.at.getTime() + 1) : undefined,
  );
  if (kind === 'directly') return [{ from: low ?? null, until: high ?? null }];
  const windows = (await partsIn(db)).flatMap((part) => {
    const bounds = boundsOf(part);
    const window = {
      from: latest(bounds.from ?? undefined, low) ?? null,
      until: earliest(bounds.until ?? undefined, high) ?? null,
    };
    return window.from !== null && window.until !== null && window.from >= window.until ? [] : [window];
  });
  return descending ? windows.toReversed() : windows;
}

const latest = (a: Date | undefined, b: Date | undefined) => (a && b ? (a > b ? a : b) : (a ?? b));
const earliest = (a: Date | undefined, b: Date | undefined) => (a && b ? (a < b ? a : b) : (a ?? b));

/** Behind all rows of the window. */
function endOf({ from, until }: Window, descending: boolean): AuditPlace | undefined {
  if (descending) return from === null ? undefined : { at: from, id: '0' };
  return until === null ? undefined : { at: new Date(until.getTime() - 1), id: maxPosition };
}
const maxPosition = String(2n ** 63n - 1n);

interface Look {
  readonly window: Window;
  readonly place: AuditPlace | undefined;
  readonly descending: boolean;
  /** So many rows are looked at. */
  readonly most: number;
  readonly wanted: number;
}

interface Found {
  readonly rows: readonly Row[];
  readonly looked: number;
  readonly last: AuditPlace | undefined;
}

type Row = AuditDatabase['entries'];

async function look(db: Db, question: AuditQuestion, way: Way, of: Look): Promise<Found> {
  const order = orderIn(of.descending);
  const candidates = candidatesOf(db, question, way, of, order);
  if (way.searched.length === 0) {
    const { rows } = await sql<Row>`SELECT ${shown} FROM (${candidates}) e ORDER BY ${order}`.execute(db);
    return { rows, looked: rows.length, last: placeOf(rows.at(-1)) };
  }
  const { rows } = await sql<Row & { looked: string; last_at: Date | null; last_id: string | null }>`
    WITH candidates AS MATERIALIZED (${candidates}), last AS (
      SELECT at, id FROM candidates ORDER BY ${orderIn(!of.descending)} LIMIT 1
    )
    SELECT counted.looked, last.at AS last_at, last.id AS last_id, ${shown}
    FROM (SELECT count(*) AS looked FROM candidates) counted
    LEFT JOIN last ON true
    LEFT JOIN (
      SELECT * FROM candidates e WHERE ${allOf(way.searched)} ORDER BY ${order} LIMIT ${of.wanted}
    ) e ON true
    ORDER BY ${of.descending ? sql`e.at DESC, e.id DESC` : sql`e.at, e.id`}`.execute(db);
  const [first] = rows;
  const last =
    first?.last_at && first.last_id !== null ? { at: first.last_at, id: String(first.last_id) } : undefined;
  return { rows: rows.filter(({ id }) => id !== null), looked: Number(first?.looked ?? 0), last };
}

/** The rows that what leads is true of, in their order, `most` at most. */
function candidatesOf(
  db: Db,
  { operations }: AuditQuestion,
  { kind, leads, projectIds }: Way,
  { window, place, descending, most }: Look,
  order: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const conditions = within(window);
  if (place !== undefined)
    conditions.push(
      sql`(e.at, e.id) ${sql.raw(descending ? '<' : '>')} (${place.at}::timestamptz, ${place.id}::bigint)`,
    );
  const sources = (leads.length === 0 ? [[]] : leads.map((lead) => [lead])).map((lead) => {
    const asked = { types: operations, projectIds, conditions: [...lead, ...conditions] };
    const end = sql`ORDER BY ${order} LIMIT ${most}`;
    if (kind === 'directly')
      return sql`(SELECT * FROM ${db.selectFrom('entries').selectAll()} e WHERE ${allOf(asked.conditions)} ${end})`;
    return sql`(SELECT e.* ${branches(db, asked, end)} ${end})`;
  });
  const [only] = sources;
  if (only !== undefined && sources.length === 1) return only;
  return sql`SELECT * FROM (${sql.join(sources, sql` UNION ALL `)}) e ORDER BY ${order} LIMIT ${most}`;
}

const within = ({ from, until }: Window): Condition[] => [
  ...(from === null ? [] : [sql<never>`e.at >= ${from}::timestamptz`]),
  ...(until === null ? [] : [sql<never>`e.at < ${until}::timestamptz`]),
];

async function isFew(db: Db, { from, until }: AuditQuestion, range: Condition): Promise<boolean> {
  const conditions = [range, ...within({ from: from ?? null, until: until ?? null })];
  const { rows } = await sql<{ rows: string }>`
    SELECT count(*) AS rows FROM (
      SELECT FROM ${db.selectFrom('entries').selectAll()} e WHERE ${allOf(conditions)} LIMIT ${maxSortedRows + 1}
    ) few`.execute(db);
  return Number(rows[0]?.rows ?? 0) <= maxSortedRows;
}

const shown = sql.raw(
  [
    ...['at', 'id', 'event_id', 'type', 'project_id', 'username', 'is_robot', 'actor_kind', 'access_token'],
    ...['user_agent', 'resource', 'description', 'succeeded', 'reason', 'correlation_id', 'request_id'],
    ...['before', 'after'],
  ]
    .map((column) => `e."${column}"`)
    .concat('host(e.address) AS address')
    .join(', '),
);

const placeOf = (row: Row | undefined): AuditPlace | undefined => row && { at: row.at, id: String(row.id) };

const entryOf = (row: Row): AuditEntry => ({
  position: String(row.id),
  eventId: row.event_id,
  at: row.at,
  operation: row.type,
  resourceType: resourceTypeOf(row.type),
  resource: row.resource,
  description: row.description,
  actorKind: row.actor_kind,
  actor: row.username,
  accessToken: row.access_token,
  address: row.address,
  userAgent: row.user_agent,
  projectId: row.project_id,
  succeeded: row.succeeded,
  reason: row.reason,
  correlationId: row.correlation_id,
  requestId: row.request_id === '' ? row.correlation_id : row.request_id,
  before: row.before,
  after: row.after,
});
