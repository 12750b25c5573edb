import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import { refusableTypes } from '../../domain/audit/events.ts';
import { type AuditType, partsOf } from '../../domain/audit/types.ts';
import { bounded } from '../bounded.ts';
import {
  type Columns,
  conditionsOf,
  type Filter,
  keyOf,
  type Listing,
  maxRows,
  orderOf,
  type Page,
} from '../listing.ts';
import { allOf, branches, inTime } from './branches.ts';
import type { AuditDatabase } from './projection.ts';

export interface AuditRow {
  /** The position of the event. */
  readonly id: number;
  readonly at: Date;
  readonly type: AuditType;
  /** Without the prefix of a robot. */
  readonly username: string;
  readonly isRobot: boolean;
  readonly resource: string;
  readonly description: string;
  readonly succeeded: boolean;
}

/** Whose rows are listed: all, those of all projects, or those of projects with these numbers. */
export type AuditScope =
  | { readonly kind: 'everything' }
  | { readonly kind: 'every project' }
  | { readonly kind: 'projects'; readonly projectIds: readonly number[] };

export interface AuditListing extends Listing {
  readonly scope: AuditScope;
  /** Rows of these alone. */
  readonly types: readonly AuditType[];
  /** Whether those too that tell of what was tried in vain. */
  readonly withFailed: boolean;
  /** What the names of robots begin with, where they are shown and asked for. */
  readonly robotPrefix: string;
}

const columnsWith = (robotPrefix: string): Columns => ({
  id: { column: 'id', type: 'long' },
  username: { column: sql`(CASE WHEN is_robot THEN ${robotPrefix} ELSE '' END || username)`, type: 'text' },
  resource: { column: 'resource', type: 'text' },
  projectid: { column: 'project_id', type: 'integer' },
  optime: { column: 'at', type: 'time' },
  operationresult: { column: 'succeeded', type: 'boolean' },
  operationdescription: { column: 'description', type: 'text' },
  // What rows are sorted by alone: what they are filtered by is told by their types.
  operation: { column: 'type', type: 'text' },
  resourcetype: { column: 'type', type: 'text' },
});
type Db = Kysely<AuditDatabase>;

/**
 * What no index helps with is looked for among so many of the newest rows that the rest is true of. Several projects share
 * them, but as many as this of each type are looked at in each.
 */
const maxSearched = 100_000;
const minShare = 200;

/**
 * A part of the first 10,000 rows that are asked for, the newest first; whoever wants more of them says from or until when.
 * However many rows there are, no more are read than what a page or a search needs: those of each type, in each project, are
 * merged from an index that has them in their order.
 * @throws QuestionTooLong
 */
export async function listAudit(db: Db, listing: AuditListing): Promise<Page<AuditRow>> {
  const columns = columnsWith(listing.robotPrefix);
  const asked = askedOf(listing, columns);
  const { offset, limit = maxRows } = listing;
  if (asked.types.length === 0 || asked.projectIds?.length === 0) return { rows: [], total: 0 };
  const size = Math.max(Math.min(limit, maxRows - offset), 0);
  const isSearch = asked.searched.length > 0;
  const sort = listing.sort.filter(({ key }) => Object.hasOwn(columns, keyOf(key)));
  const [first] = sort;
  const isByTime = first === undefined || (sort.length === 1 && keyOf(first.key) === 'optime');
  const descending = first?.descending ?? true;
  const isShared = isSearch || !isByTime;
  const source = isShared ? shared(db, asked) : newest(db, asked, offset + size, { descending });
  const order = isByTime ? inTime(descending) : sql.join([...orderOf({ sort }, columns, []), inTime(true)]);
  const list = sql<HarborsRow>`
    SELECT * FROM ${source} e WHERE ${allOf(asked.searched)}
    ORDER BY ${order} OFFSET ${offset} LIMIT ${size}`;
  const [{ rows }, total] = await Promise.all([
    size === 0 ? { rows: [] } : bounded(db, (inTime) => list.execute(inTime)),
    bounded(db, (inTime) => counted(inTime, asked, isShared)),
  ]);
  return { rows: rows.map(rowOf), total };
}

interface Asked {
  readonly types: readonly AuditType[];
  /** Undefined for whatever project it is, or none. */
  readonly projectIds: readonly number[] | undefined;
  /** What an index helps with. */
  readonly conditions: readonly RawBuilder<SqlBool>[];
  /** What is looked for row by row. */
  readonly searched: readonly RawBuilder<SqlBool>[];
}

function askedOf(
  { scope, filters, types: shown, withFailed, robotPrefix }: AuditListing,
  columns: Columns,
): Asked {
  let types = scope.kind === 'everything' ? shown : shown.filter(isInProjects);
  let projectIds = scope.kind === 'projects' ? scope.projectIds : undefined;
  const conditions: RawBuilder<SqlBool>[] = [];
  const searched: RawBuilder<SqlBool>[] = [];
  const lead = leadOf(filters);
  let isOfFailed = false;
  if (scope.kind === 'every project') conditions.push(sql`e.project_id IS NOT NULL`);
  if (!withFailed) conditions.push(sql`e.succeeded`);
  for (const filter of filters) {
    const key = keyOf(filter.key);
    const is = filter.kind === 'is' ? filter.value.toLowerCase() : undefined;
    if (key === 'operation' || key === 'resourcetype')
      types = types.filter((type) =>
        isMet(filter, key === 'operation' ? partsOf(type).operation : partsOf(type).resourceType),
      );
    else if (key === 'projectid' && is !== undefined) {
      const projectId = /^\d{1,9}$/.test(is) ? Number(is) : 0;
      projectIds = projectIds?.filter((other) => other === projectId) ?? [projectId];
    } else if (key === 'operationresult' && is === 'false') {
      types = types.filter(canFail);
      (lead === undefined ? conditions : searched).push(sql`NOT e.succeeded`);
      isOfFailed = lead === undefined;
    } else if (filter === lead && key === 'username' && filter.kind === 'is')
      conditions.push(isCalled(filter.value, robotPrefix));
    else {
      const isIndexed = filter === lead || (withTime[filter.kind] ?? []).includes(key);
      (isIndexed ? conditions : searched).push(...conditionsOf([filter], columns));
    }
  }
  // Of the rows of one project an index is by username, too.
  const isLed = isOfFailed || (lead !== undefined && keyOf(lead.key) === 'resource');
  if (projectIds === undefined || !isLed) return { types, projectIds, conditions, searched };
  searched.push(sql`project_id = ANY (${[...projectIds]}::integer[])`);
  return { types, projectIds: undefined, conditions, searched };
}

/**
 * The filter whose index is gone by: what is said beside it is looked for row by row, since of two indexes the database
 * would read all of one to find that nothing is in both.
 */
const leadOf = (filters: readonly Filter[]): Filter | undefined =>
  leads
    .map((lead) => filters.find(({ key, kind }) => kind === 'is' && keyOf(key) === lead))
    .find((filter) => filter !== undefined);
/** The one that leaves the fewest rows first. */
const leads = ['resource', 'username'];

/** Robots are kept without what their names begin with, which may change. */
const isCalled = (name: string, robotPrefix: string): RawBuilder<SqlBool> => {
  if (robotPrefix === '') return sql`e.username = ${name}`;
  const isRobot = name.startsWith(robotPrefix);
  return sql`e.username = ${isRobot ? name.slice(robotPrefix.length) : name} AND ${isRobot ? sql`e.is_robot` : sql`NOT e.is_robot`}`;
};

/** What goes with every index. */
const withTime: Readonly<Partial<Record<Filter['kind'], readonly string[]>>> = {
  is: ['optime', 'operationresult'],
  range: ['optime'],
};

const failing: ReadonlySet<AuditType> = new Set([...refusableTypes, 'login_user']);
const canFail = (type: AuditType): boolean => failing.has(type);
const isInProjects = (type: AuditType): boolean =>
  !['user', 'configuration'].includes(partsOf(type).resourceType);

/** Whether what is known has the value that is asked for, as the database would say of a column. */
function isMet(filter: Filter, value: string): boolean {
  switch (filter.kind) {
    case 'is':
      return value === filter.value;
    case 'contains':
      return value.includes(filter.value.toLowerCase());
    case 'any':
      return filter.values.includes(value);
    case 'all':
      return filter.values.every((each) => each === value);
    case 'range':
      return (
        (filter.from === undefined || (filter.isOpen ? value > filter.from : value >= filter.from)) &&
        (filter.to === undefined || (filter.isOpen ? value < filter.to : value <= filter.to))
      );
  }
}

/** Up to `limit` rows, of which those of each type and project, up to `ofEach`, come in their order from an index. */
function newest(
  db: Db,
  asked: Asked,
  limit: number,
  { descending = true, ofEach = limit } = {},
): RawBuilder<unknown> {
  const order = inTime(descending);
  return sql`(SELECT e.* ${branches(db, asked, sql`ORDER BY ${order} LIMIT ${ofEach}`)}
    ORDER BY ${order} LIMIT ${limit})`;
}

/** What is sorted otherwise than by time, or searched. */
function shared(db: Db, asked: Asked): RawBuilder<unknown> {
  const limit = asked.searched.length > 0 ? maxSearched : maxRows;
  const share = Math.max(Math.ceil(limit / (asked.projectIds?.length ?? 1)), minShare);
  return newest(db, asked, limit, { ofEach: Math.min(share, limit) });
}

/** How many there are, counted to the most that are listed. */
async function counted(db: Db, asked: Asked, isShared: boolean): Promise<number> {
  const source = isShared
    ? sql`FROM ${shared(db, asked)} e WHERE ${allOf(asked.searched)}`
    : // Without an order it would read all to find that there are none of a type.
      branches(db, asked, sql`ORDER BY ${inTime(true)} LIMIT ${maxRows}`);
  const { rows } = await sql<{ total: string }>`
    SELECT count(*) AS total FROM (SELECT ${source} LIMIT ${maxRows}) e`.execute(db);
  return Number(rows[0]?.total ?? 0);
}

/** Only rows of Harbor's types are asked for. */
type HarborsRow = AuditDatabase['entries'] & { readonly type: AuditType };

const rowOf = (row: HarborsRow): AuditRow => ({
  id: Number(row.id),
  at: row.at,
  type: row.type,
  username: row.username,
  isRobot: row.is_robot,
  resource: row.resource,
  description: row.description,
  succeeded: row.succeeded,
});
