import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import { type Columns, conditionsOf, type Filter, keyOf, type Listing, orderOf } from '../listing.ts';
import { isWithin } from '../paging.ts';
import { pullTimeOf } from '../pulls/queries.ts';
import { isListed, type RepositoriesDatabase, rowsIn } from './tables.ts';

/** Whose artifacts are listed; of a project all, or of each repository the one that was pushed last. */
export type ArtifactsOf =
  | { readonly repository: string }
  | { readonly project: string; readonly latest: boolean };

/** The ids of a part of a list, in its order, and how many there are in all. */
export interface IdPage {
  readonly ids: readonly number[];
  readonly total: number;
}

type Condition = RawBuilder<SqlBool>;
type Db = Kysely<RepositoriesDatabase>;

/** What tells artifacts of one kind from others. */
const kindColumns: Columns = {
  type: { column: 'type', type: 'text' },
  mediatype: { column: 'media_type', type: 'text' },
  artifacttype: { column: 'artifact_type', type: 'text' },
};
/** Of `a`. */
const columns: Columns = {
  ...kindColumns,
  id: { column: 'id', type: 'long' },
  digest: { column: 'digest', type: 'text' },
  repositoryname: { column: 'repository', type: 'text' },
  manifestmediatype: { column: 'manifest_media_type', type: 'text' },
  pushtime: { column: 'pushed_at', type: 'time' },
  pulltime: { column: pullTimeOf('artifacts', 'a'), type: 'time' },
  size: { column: 'size', type: 'long' },
};

/** More kinds than this are not merged; nobody has so many who does not want to. */
const maxMerged = 50;
/** From here on it is worth while to count from the end of a list whose second half a page is in. */
const farOffset = 5000;

/**
 * The ids of a part of the artifacts. `q` has Harbor's keys: `tags` (`*` for any, `nil` for none), `base=*` for those too
 * that only an index needs, and the columns above. @param more conditions on `listed_artifacts` of who asks
 */
export async function findArtifactIds(
  db: Db,
  of: ArtifactsOf,
  listing: Listing,
  more: readonly Condition[] = [],
): Promise<IdPage> {
  const asked = askedOf(db, of, listing.filters);
  const isPlain = asked.others.length === 0 && more.length === 0;
  const order = orderIn(listing);
  if ('repository' in of && isPlain) return findByTotals(db, of.repository, asked, listing);
  const conditions = [
    ...asked.others,
    ...more,
    ...conditionsOf(asked.kinds, kindColumns),
    inStates(asked.states),
  ];
  if ('project' in of && of.latest) return findLatest(db, of.project, conditions, listing);
  const scope =
    'repository' in of ? sql<SqlBool>`repository = ${of.repository}` : sql<SqlBool>`project = ${of.project}`;
  const where = sql`WHERE ${sql.join([scope, ...conditions], sql` AND `)}`;
  const [{ rows }, total] = await Promise.all([
    sql<Id>`SELECT id FROM ${rowsIn(db, 'listed_artifacts')} a ${where} ORDER BY ${order} ${part(listing)}`.execute(
      db,
    ),
    'project' in of && isPlain && asked.kinds.length === 0 && asked.states === listed
      ? totalOf(db, of.project)
      : counted(db, sql`SELECT count(*) AS total FROM ${rowsIn(db, 'listed_artifacts')} a ${where}`),
  ]);
  return { ids: rows.map(idOf), total };
}

interface Asked {
  readonly states: readonly string[];
  readonly kinds: readonly Filter[];
  readonly others: readonly Condition[];
}

const listed: readonly string[] = ['tagged', 'untagged'];

function askedOf(db: Db, of: ArtifactsOf, filters: readonly Filter[]): Asked {
  let states = listed;
  const kinds: Filter[] = [];
  const others: Condition[] = [];
  const isBase = filters.some((filter) => keyOf(filter.key) === 'base' && isExactly(filter, '*'));
  if (isBase) states = [...listed, 'child'];
  for (const filter of filters) {
    const key = keyOf(filter.key);
    if (key === 'tags') {
      if (isExactly(filter, '*')) states = states.filter((state) => state === 'tagged');
      else if (isExactly(filter, 'nil')) states = states.filter((state) => state !== 'tagged');
      else others.push(withTag(db, of, filter));
    } else if (Object.hasOwn(kindColumns, key)) kinds.push(filter);
    else others.push(...conditionsOf([filter], columns));
  }
  return { states, kinds, others };
}

const isExactly = (filter: Filter, value: string): boolean => filter.kind === 'is' && filter.value === value;

function withTag(db: Db, of: ArtifactsOf, filter: Filter): Condition {
  const conditions = [isWithin(of), ...conditionsOf([filter], { tags: { column: 'tag', type: 'text' } })];
  return sql<SqlBool>`(repository, digest) IN (
    SELECT repository, digest FROM ${rowsIn(db, 'listed_tags')} t WHERE ${sql.join(conditions, sql` AND `)})`;
}

/** In words that the partial indexes have as well. */
const inStates = (states: readonly string[]): Condition =>
  states === listed
    ? isListed
    : sql<SqlBool>`(state IN ('tagged', 'untagged', 'child') AND state = ANY (${[...states]}))`;

const newestFirst = sql`pushed_at DESC, id DESC`;

function orderIn({ sort }: Pick<Listing, 'sort'>): RawBuilder<unknown> {
  const known = sort.filter(({ key }) => Object.hasOwn(columns, keyOf(key)));
  const [first] = known;
  if (first === undefined) return newestFirst;
  if (known.length === 1 && keyOf(first.key) === 'pushtime')
    return first.descending ? newestFirst : sql`pushed_at, id`;
  return sql.join([...orderOf({ sort }, columns, []), newestFirst]);
}

/** Of what only the kinds and the states decide: counted by the totals. */
async function findByTotals(db: Db, repository: string, asked: Asked, listing: Listing): Promise<IdPage> {
  const kinds = await db
    .selectFrom('totals')
    .select(['kind', 'state', 'count'])
    .where('repository', '=', repository)
    .where('state', '=', sql<'tagged'>`ANY (${[...asked.states]})`)
    .where(sql<SqlBool>`${sql.join([sql`true`, ...conditionsOf(asked.kinds, kindColumns)], sql` AND `)}`)
    .execute();
  const total = kinds.reduce((sum, { count }) => sum + Number(count), 0);
  if (total <= listing.offset) return { ids: [], total };
  const isAll = asked.kinds.length === 0 && asked.states === listed;
  const order = orderIn(listing);
  if (isAll && order === newestFirst && listing.offset > farOffset && listing.offset > total / 2)
    return { ids: await findFromEnd(db, repository, listing, total), total };
  const table = rowsIn(db, 'listed_artifacts');
  const upTo = listing.limit === undefined ? sql`` : sql`LIMIT ${listing.offset + listing.limit}`;
  const { rows } =
    isAll || order !== newestFirst || kinds.length > maxMerged
      ? await sql<Id>`SELECT id FROM ${table} a WHERE repository = ${repository} AND ${inStates(asked.states)}
          AND ${sql.join([sql`true`, ...conditionsOf(asked.kinds, kindColumns)], sql` AND `)}
          ORDER BY ${order} ${part(listing)}`.execute(db)
      : await sql<Id>`
          SELECT found.id FROM unnest(${kinds.map(({ kind }) => kind)}::bigint[],
            ${kinds.map(({ state }) => state)}::text[]) AS asked(kind, state),
          LATERAL (
            SELECT a.id, a.pushed_at FROM ${table} a
            WHERE a.repository = ${repository} AND a.kind = asked.kind AND a.state = asked.state
              AND a.state IN ('tagged', 'untagged', 'child')
            ORDER BY a.pushed_at DESC, a.id DESC ${upTo}
          ) found
          ORDER BY found.pushed_at DESC, found.id DESC ${part(listing)}`.execute(db);
  return { ids: rows.map(idOf), total };
}

/** The index entries that a page steps over are fewer from there. */
async function findFromEnd(db: Db, repository: string, listing: Listing, total: number): Promise<number[]> {
  const limit = Math.min(listing.limit ?? total, total - listing.offset);
  const { rows } = await sql<Id>`
    SELECT id FROM ${rowsIn(db, 'listed_artifacts')} a WHERE repository = ${repository} AND ${isListed}
    ORDER BY pushed_at, id OFFSET ${total - listing.offset - limit} LIMIT ${limit}`.execute(db);
  return rows.map(idOf).reverse();
}

async function findLatest(
  db: Db,
  project: string,
  conditions: readonly Condition[],
  listing: Listing,
): Promise<IdPage> {
  const latest = sql`
    FROM ${rowsIn(db, 'repositories')} r, LATERAL (
      SELECT * FROM ${rowsIn(db, 'listed_artifacts')} a WHERE repository = r.name AND ${sql.join([...conditions], sql` AND `)}
      ORDER BY ${newestFirst} LIMIT 1
    ) a WHERE r.project = ${project}`;
  const [{ rows }, total] = await Promise.all([
    sql<Id>`SELECT a.id ${latest} ORDER BY ${sql.raw('a.pushed_at DESC, a.id DESC')} ${part(listing)}`.execute(
      db,
    ),
    counted(db, sql`SELECT count(*) AS total ${latest}`),
  ]);
  return { ids: rows.map(idOf), total };
}

interface Id {
  readonly id: string;
}
const idOf = ({ id }: Id): number => Number(id);

const part = ({ offset, limit }: Listing) =>
  limit === undefined ? sql`OFFSET ${offset}` : sql`OFFSET ${offset} LIMIT ${limit}`;

async function counted(db: Db, query: RawBuilder<unknown>): Promise<number> {
  const { rows } = await query.execute(db);
  return Number((rows[0] as { readonly total: string }).total);
}

async function totalOf(db: Db, project: string): Promise<number> {
  const { total } = await db
    .selectFrom('repositories')
    .select(({ fn }) => fn.coalesce(fn.sum<string>('artifact_count'), sql<string>`0`).as('total'))
    .where('project', '=', project)
    .executeTakeFirstOrThrow();
  return Number(total);
}
