import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import { escaped } from '../like.ts';
import { lastPullOf } from '../pulls/queries.ts';
import { type RepositoriesDatabase, rowsIn } from './tables.ts';

/**
 * What tags are sorted by: as versions, by when they came to point where they do, by when they were pulled last, or by what
 * it takes to pull them.
 */
export const tagOrders = ['name', 'pushed', 'pulled', 'size'] as const;
export type TagOrder = (typeof tagOrders)[number];

/** Where a page ended: what it is sorted by, of its last tag, and that tag. */
export interface TagPlace {
  readonly key: string;
  readonly tag: string;
}

export interface TagRowsAsked {
  readonly repository: string;
  /** A part of the tag. */
  readonly contains: string | undefined;
  readonly order: TagOrder;
  readonly descending: boolean;
  readonly after: TagPlace | undefined;
  readonly limit: number;
}

export interface TagRow {
  readonly tag: string;
  /** The id of the artifact that it points at. */
  readonly artifactId: number;
  /** When it came to point there. */
  readonly pushedAt: Date;
  /** When it was pulled last by its name, null for never. */
  readonly pulledAt: Date | null;
  /** Who made it point there, as events name him. */
  readonly pushedBy: string;
  /** How often it has moved since it was assigned. */
  readonly moves: number;
  readonly place: TagPlace;
}

interface Key {
  /** What rows are sorted by. */
  readonly by: RawBuilder<unknown>;
  /** The same as a place has it: text, or digits. */
  readonly shown: RawBuilder<unknown>;
  read(key: string): RawBuilder<unknown>;
}

// An index is as large as its children that are there.
const size = sql`coalesce(a.size, (
  SELECT coalesce(sum(part.size), 0)::bigint FROM children c JOIN artifacts part USING (repository, digest)
  WHERE c.repository = a.repository AND c.parent = a.digest))`;

const pulled = lastPullOf('tags', 't');
const pulledOrNever = sql`coalesce(${pulled}, 'epoch'::timestamptz)`;
// Whole microseconds, which is all that the columns hold.
const microseconds = (at: RawBuilder<unknown>) => sql`(extract(epoch FROM ${at}) * 1000000)::bigint`;
const timeIn = (key: string) => sql`('epoch'::timestamptz + ${key}::bigint * interval '1 microsecond')`;

const keys: { readonly [Order in TagOrder]: Key } = {
  name: { by: sql`t."natural"`, shown: sql`t."natural"`, read: (key) => sql`${key}::text COLLATE "C"` },
  pushed: { by: sql`t.pushed_at`, shown: microseconds(sql`t.pushed_at`), read: timeIn },
  pulled: { by: pulledOrNever, shown: microseconds(pulledOrNever), read: timeIn },
  size: { by: size, shown: size, read: (key) => sql`${key}::bigint` },
};

/** Up to `limit` tags of the repository, save those of accessories, from one place on. */
export async function listTagRows(
  db: Kysely<RepositoriesDatabase>,
  { repository, contains, order, descending, after, limit }: TagRowsAsked,
): Promise<readonly TagRow[]> {
  const { by, shown, read } = keys[order];
  const direction = descending ? sql`DESC` : sql`ASC`;
  const conditions: RawBuilder<SqlBool>[] = [
    sql`t.repository = ${repository}`,
    sql`a.accessory IS NULL`,
    ...(contains === undefined ? [] : [sql<SqlBool>`t.tag ILIKE ${`%${escaped(contains)}%`}`]),
    ...(after === undefined
      ? []
      : [sql<SqlBool>`(${by}, t.tag) ${descending ? sql`<` : sql`>`} (${read(after.key)}, ${after.tag})`]),
  ];
  const { rows } = await sql<{
    tag: string;
    artifact: string;
    pushed_at: Date;
    pulled_at: Date | null;
    pushed_by: string;
    moves: number;
    key: string;
  }>`
    WITH children AS NOT MATERIALIZED (SELECT * FROM ${rowsIn(db, 'listed_children')}),
    artifacts AS NOT MATERIALIZED (SELECT * FROM ${rowsIn(db, 'listed_artifacts')})
    SELECT t.tag, a.id AS artifact, t.pushed_at, ${pulled} AS pulled_at, t.pushed_by, t.moves,
      (${shown})::text AS key
    FROM ${rowsIn(db, 'listed_tags')} t JOIN artifacts a USING (repository, digest)
    WHERE ${sql.join(conditions, sql` AND `)}
    ORDER BY ${by} ${direction}, t.tag ${direction} LIMIT ${limit}`.execute(db);
  return rows.map(({ tag, artifact, pushed_at, pulled_at, pushed_by, moves, key }) => ({
    tag,
    artifactId: Number(artifact),
    pushedAt: pushed_at,
    pulledAt: pulled_at,
    pushedBy: pushed_by,
    moves,
    place: { key, tag },
  }));
}
