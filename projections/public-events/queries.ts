import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import type { EventFilter, FilterKey } from '../../domain/public-event/filter.ts';
import type { Need } from '../../domain/public-event/publication.ts';
import { schemaOf } from '../../infra/database/projection.ts';
import { bounded } from '../bounded.ts';
import { escaped } from '../like.ts';
import { projects } from '../projects/projection.ts';
import { commonType, type PublicEventsDatabase } from './projection.ts';

/** Projects that there are; of those that are gone only who may see everything is told. */
export interface ProjectSet {
  readonly all: boolean;
  /** Whether all public ones are among them. */
  readonly public: boolean;
  readonly projectIds: readonly number[];
}

/** Of which projects somebody is told the events that need this of him. */
export type EventSight =
  | { readonly kind: 'everything' }
  | ({ readonly kind: 'some' } & { readonly [Of in Exclude<Need, 'system'>]: ProjectSet });

export interface EventRange {
  /** Positions greater than this. */
  readonly after: bigint;
  /** And less than this. */
  readonly before: bigint;
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
}

export interface EventQuestion extends EventRange {
  readonly sight: EventSight;
  readonly filter: EventFilter;
}

/** Where an event is, and which project it is of. */
export interface EventPlace {
  readonly position: bigint;
  readonly projectId: number | undefined;
}

/** The keys of a filter that the rows know; of the others each event has to be asked. */
export const indexedKeys = [
  'type',
  'actor',
  'project',
  'repository',
  'tag',
  'result',
  'correlation',
] as const satisfies readonly FilterKey[];

type Db = Kysely<PublicEventsDatabase>;

export interface FoundEvents {
  readonly places: readonly EventPlace[];
  /** Where it stopped looking, though there may be more behind it; undefined where it has looked at all, or has `limit`. */
  readonly lookedTo: bigint | undefined;
}

/** Rows that one question looks at, where no index leads to those that are asked for: a fraction of a second. */
const maxLookedAt = 50_000;

/** Up to `limit` events that the rows do not rule out, by position. */
export const findEvents = (
  db: Db,
  question: EventQuestion & {
    readonly descending: boolean;
    readonly limit: number;
    readonly lookedAt?: number;
  },
): Promise<FoundEvents> => {
  const { limit, descending, lookedAt = maxLookedAt } = question;
  const direction = descending ? 'desc' : 'asc';
  return bounded(db, async (inTime) => {
    const ahead = inTime
      .selectFrom('events')
      .selectAll()
      .where(isWithin(question))
      .orderBy('position', direction)
      .limit(lookedAt);
    const hasIndex = isFewByIndex(question);
    const rows = await (hasIndex ? inTime.selectFrom('events') : inTime.selectFrom(ahead.as('events')))
      .select(['position', 'project_id'])
      .where(conditionOf(question))
      .orderBy('position', direction)
      .limit(limit)
      .execute();
    const places = rows.map(placeOf);
    if (hasIndex || places.length === limit) return { places, lookedTo: undefined };
    const last = await inTime
      .selectFrom(ahead.as('events'))
      .select([
        sql<string>`count(*)`.as('rows'),
        sql<string>`${sql.raw(descending ? 'min' : 'max')}(position)`.as('position'),
      ])
      .executeTakeFirstOrThrow();
    return { places, lookedTo: Number(last.rows) < lookedAt ? undefined : BigInt(last.position) };
  });
};

/** Whether an index leads to nothing but what is asked for. */
const isFewByIndex = ({ sight, filter }: EventQuestion): boolean =>
  isExact(filter.get('correlation')) ||
  (sight.kind === 'everything' &&
    filter.size === 1 &&
    (isExact(filter.get('actor')) || filter.get('type')?.every(leavesOutCommonType) === true));

const isExact = (patterns: readonly string[] | undefined): boolean =>
  patterns?.every((pattern) => !pattern.includes('*')) === true;

export async function findEventAt(db: Db, position: bigint): Promise<EventPlace | undefined> {
  const row = await db
    .selectFrom('events')
    .select(['position', 'project_id'])
    .where('position', '=', String(position))
    .executeTakeFirst();
  return row && placeOf(row);
}

/** The position of the first event at or after an instant; undefined where there is none yet. */
export async function positionAt(db: Db, at: Date): Promise<bigint | undefined> {
  const row = await db
    .selectFrom('events')
    .select('position')
    .where('at', '>=', at)
    .orderBy('at')
    .orderBy('position')
    .limit(1)
    .executeTakeFirst();
  return row && BigInt(row.position);
}

/** Widths of the bars of a histogram. */
export const barWidths = ['minute', 'hour', 'day'] as const;
export type BarWidth = (typeof barWidths)[number];

export interface Bar {
  /** Where it begins. */
  readonly at: Date;
  readonly total: number;
  readonly refused: number;
  readonly failed: number;
}

/** How many events there are in each part of a range of time; parts without any are left out. */
export const countEvents = (db: Db, question: EventQuestion, width: BarWidth): Promise<readonly Bar[]> =>
  bounded(db, async (inTime) => {
    const start = sql<Date>`date_trunc(${width}, at, 'UTC')`;
    const count = (of: RawBuilder<SqlBool>) => sql<string>`count(*) FILTER (WHERE ${of})`;
    const rows = await inTime
      .selectFrom('events')
      .select([
        start.as('at'),
        count(sql<SqlBool>`true`).as('total'),
        count(sql<SqlBool>`result = 'refused'`).as('refused'),
        count(sql<SqlBool>`result = 'failed'`).as('failed'),
      ])
      .where(conditionOf(question))
      .groupBy(sql`1`)
      .orderBy(sql`1`)
      .execute();
    return rows.map(({ at, total, refused, failed }) => ({
      ...{ at, total: Number(total), refused: Number(refused), failed: Number(failed) },
    }));
  });

/** The projects that there were at a position, by name; the rows show all up to there. */
export async function projectNumbersAt(
  db: Db,
  position: bigint,
): Promise<readonly (readonly [name: string, projectId: number])[]> {
  const rows = await db
    .selectFrom('events')
    .distinctOn('project')
    .select(['project', 'project_id', 'type'])
    .where('type', 'in', ['project.created', 'project.deleted'])
    .where('position', '<=', String(position))
    .orderBy('project')
    .orderBy('position', 'desc')
    .execute();
  return rows.flatMap(({ project, project_id, type }) =>
    type === 'project.created' && project !== null && project_id !== null ? [[project, project_id]] : [],
  );
}

const placeOf = ({
  position,
  project_id,
}: {
  readonly position: string;
  readonly project_id: number | null;
}): EventPlace => ({ position: BigInt(position), projectId: project_id ?? undefined });

const isWithin = ({ after, before }: EventRange) =>
  sql<SqlBool>`position > ${String(after)} AND position < ${String(before)}`;

function conditionOf(question: EventQuestion): RawBuilder<SqlBool> {
  const { sight, filter, from, to } = question;
  const conditions = [
    isWithin(question),
    ...(from === undefined ? [] : [sql<SqlBool>`at >= ${from}`]),
    ...(to === undefined ? [] : [sql<SqlBool>`at < ${to}`]),
    ...indexedKeys.flatMap((key) => {
      const patterns = filter.get(key);
      return patterns === undefined ? [] : [columnConditions[key](patterns)];
    }),
    visibleTo(sight, filter),
  ];
  return sql<SqlBool>`(${sql.join(conditions, sql` AND `)})`;
}

const like = (column: RawBuilder<unknown>, pattern: string): RawBuilder<SqlBool> =>
  pattern.includes('*')
    ? sql<SqlBool>`${column} LIKE ${escaped(pattern).replaceAll('*', '%')}`
    : sql<SqlBool>`${column} = ${pattern}`;

const any = (conditions: readonly RawBuilder<SqlBool>[]) =>
  sql<SqlBool>`(${sql.join(conditions, sql` OR `)})`;

const inColumn = (column: string) => (patterns: readonly string[]) =>
  any(patterns.map((pattern) => like(sql.ref(column), pattern)));

const columnConditions: {
  readonly [Key in (typeof indexedKeys)[number]]: (patterns: readonly string[]) => RawBuilder<SqlBool>;
} = {
  type: (patterns) => {
    const found = inColumn('type')(patterns);
    // For the index without it.
    return patterns.every(leavesOutCommonType)
      ? sql<SqlBool>`(${found} AND type <> ${sql.lit(commonType)})`
      : found;
  },
  actor: (patterns) => any(patterns.map(actorCondition)),
  project: inColumn('project'),
  repository: inColumn('repository'),
  tag: inColumn('tag'),
  result: inColumn('result'),
  correlation: inColumn('correlation_id'),
};

const leavesOutCommonType = (pattern: string): boolean =>
  !commonType.startsWith(pattern.split('*', 1)[0] ?? '');

/** By the name alone, or with its kind. */
function actorCondition(pattern: string): RawBuilder<SqlBool> {
  if (!pattern.includes('*'))
    return sql<SqlBool>`actor IN (${sql.join([pattern, `user:${pattern}`, `robot:${pattern}`])})`;
  return any([like(sql`actor`, pattern), like(sql`substr(actor, strpos(actor, ':') + 1)`, pattern)]);
}

function visibleTo(sight: EventSight, filter: EventFilter): RawBuilder<SqlBool> {
  if (sight.kind === 'everything') return sql<SqlBool>`true`;
  const shown = any(
    (['read', 'member', 'log'] as const).map(
      (need) => sql<SqlBool>`(need = ${sql.lit(need)} AND ${isIn(sight[need])})`,
    ),
  );
  // Who did it is told to members alone, so that nobody else finds it out by asking.
  return filter.has('actor') ? sql<SqlBool>`(${shown} AND ${isIn(sight.member)})` : shown;
}

function isIn({ all, public: isPublic, projectIds }: ProjectSet): RawBuilder<SqlBool> {
  const known = sql.table(`${schemaOf(projects)}.projects`);
  if (all) return sql<SqlBool>`project_id IN (SELECT project_id FROM ${known})`;
  const own = sql<SqlBool>`project_id = ANY(${[...projectIds]}::integer[])`;
  return isPublic
    ? sql<SqlBool>`(${own} OR project_id IN (SELECT project_id FROM ${known} WHERE public))`
    : own;
}
