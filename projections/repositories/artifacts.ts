import { type Kysely, sql } from 'kysely';
import type { AccessoryType } from '../../domain/artifact/accessory.ts';
import type { Attributes } from '../../domain/artifact/attributes.ts';
import type { ChildDescriptor } from '../../domain/descriptor.ts';
import type { Digest } from '../../domain/digest.ts';
import { lastPullOf } from '../pulls/queries.ts';
import { type ArtifactState, type RepositoriesDatabase, rowsIn } from './tables.ts';

export interface ListedArtifact {
  /** The position of its push. */
  readonly id: number;
  readonly repository: string;
  readonly digest: Digest;
  readonly manifestMediaType: string;
  readonly type: string;
  readonly mediaType: string;
  readonly artifactType: string;
  /** Bytes of all that it takes to pull it; of an index of those of its children that are there. */
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly attributes: Attributes;
  readonly pushedAt: Date;
  /** Null for never. */
  readonly pulledAt: Date | null;
  readonly tagCount: number;
  readonly state: ArtifactState;
  /** What it is to its subject, null for what is no accessory. */
  readonly accessory: AccessoryType | null;
  readonly subject: Digest | null;
}

/** What an index says of a child, and the child's id, if it is there. */
export interface ListedChild extends Pick<ChildDescriptor, 'digest' | 'platform' | 'annotations' | 'urls'> {
  readonly id: number | undefined;
}

type Db = Kysely<RepositoriesDatabase>;
export type ArtifactName = Pick<ListedArtifact, 'repository' | 'digest'>;

/** Those that there are, in the order of `ids`. */
export async function findArtifacts(db: Db, ids: readonly number[]): Promise<ListedArtifact[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom('listed_artifacts')
    .selectAll()
    .select(lastPull)
    .where('id', '=', sql<string>`ANY (${[...ids]}::bigint[])`)
    .execute();
  const sizes = await sizesOf(db, rows);
  const byId = new Map(rows.map((row) => [Number(row.id), artifactOf(row, sizes)]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

/** The artifact of the repository with this digest, or that this tag points at. */
export async function findArtifact(
  db: Db,
  repository: string,
  reference:
    | { readonly kind: 'digest'; readonly digest: Digest }
    | { readonly kind: 'tag'; readonly tag: string },
): Promise<ListedArtifact | undefined> {
  const row = await db
    .selectFrom('listed_artifacts')
    .selectAll()
    .select(lastPull)
    .where('repository', '=', repository)
    .where('digest', '=', (eb) =>
      reference.kind === 'digest'
        ? eb.val<string>(reference.digest)
        : eb
            .selectFrom('listed_tags')
            .select('listed_tags.digest')
            .where('listed_tags.repository', '=', repository)
            .where('listed_tags.tag', '=', reference.tag),
    )
    .executeTakeFirst();
  return row && artifactOf(row, await sizesOf(db, [row]));
}

const lastPull = lastPullOf('artifacts', 'listed_artifacts').as('pulled_at');
type Row = RepositoriesDatabase['listed_artifacts'] & { readonly pulled_at: Date | null };

const artifactOf = (row: Row, sizes: ReadonlyMap<string, number>): ListedArtifact => ({
  id: Number(row.id),
  repository: row.repository,
  digest: row.digest as Digest,
  manifestMediaType: row.manifest_media_type,
  type: row.type,
  mediaType: row.media_type,
  artifactType: row.artifact_type,
  size: row.size === null ? (sizes.get(row.id) ?? 0) : Number(row.size),
  annotations: JSON.parse(row.annotations),
  attributes: JSON.parse(row.attributes),
  pushedAt: row.pushed_at,
  pulledAt: row.pulled_at,
  tagCount: Number(row.tag_count),
  state: row.state,
  accessory: row.accessory as AccessoryType | null,
  subject: row.subject as Digest | null,
});

/** How deep an index is looked into; clients make one of indexes at most. */
const maxDepth = 4;

/** The sizes of those of `rows` that are indexes: the children may come after them, so that nobody keeps these. */
async function sizesOf(db: Db, rows: readonly Row[]): Promise<ReadonlyMap<string, number>> {
  const indexes = rows.filter(({ size }) => size === null).map(({ id }) => id);
  if (indexes.length === 0) return new Map();
  const artifacts = rowsIn(db, 'listed_artifacts');
  const { rows: sizes } = await sql<{ root: string; size: string }>`
    WITH RECURSIVE parts AS (
      SELECT id AS root, id, repository, digest, size, 0 AS depth FROM ${artifacts} a
      WHERE id = ANY (${indexes}::bigint[])
      UNION
      SELECT p.root, a.id, a.repository, a.digest, a.size, p.depth + 1 FROM parts p
      JOIN ${rowsIn(db, 'listed_children')} c ON c.repository = p.repository AND c.parent = p.digest
      JOIN ${artifacts} a ON a.repository = c.repository AND a.digest = c.digest
      WHERE p.size IS NULL AND p.depth < ${maxDepth}
    )
    SELECT root, sum(size) AS size FROM (SELECT DISTINCT root, id, size FROM parts) once GROUP BY root`.execute(
    db,
  );
  return new Map(sizes.map(({ root, size }) => [root, Number(size ?? 0)]));
}

/** Up to `limit` children of each of `parents`, by its id, in the order in which it names them. */
export async function findChildrenOf(
  db: Db,
  parents: readonly ListedArtifact[],
  limit: number,
): Promise<ReadonlyMap<number, readonly ListedChild[]>> {
  if (parents.length === 0) return new Map();
  const { rows } = await sql<{ parent: string; digest: string; notes: string; id: string | null }>`
    SELECT asked.id AS parent, child.digest, child.notes, a.id
    FROM ${askedFor(parents)}, LATERAL (
      SELECT c.repository, c.digest, c.notes, c.place FROM ${rowsIn(db, 'listed_children')} c
      WHERE c.repository = asked.repository AND c.parent = asked.digest ORDER BY c.place LIMIT ${limit}
    ) child
    LEFT JOIN ${rowsIn(db, 'listed_artifacts')} a ON a.repository = child.repository AND a.digest = child.digest
    ORDER BY asked.id, child.place`.execute(db);
  return grouped(
    rows,
    ({ parent }) => Number(parent),
    ({ digest, notes, id }) => ({
      ...JSON.parse(notes),
      digest: digest as Digest,
      id: id === null ? undefined : Number(id),
    }),
  );
}

/** Some artifacts as a table by the name of `asked`. */
export const askedFor = (artifacts: readonly (ArtifactName & { readonly id: number })[]) => sql`
  (SELECT i AS id, r COLLATE "C" AS repository, d COLLATE "C" AS digest FROM unnest(
    ${artifacts.map(({ id }) => id)}::bigint[], ${artifacts.map(({ repository }) => repository)}::text[],
    ${artifacts.map(({ digest }) => digest)}::text[]) AS given(i, r, d)) asked`;

export function grouped<Row, Item>(
  rows: readonly Row[],
  keyOf: (row: Row) => number,
  itemOf: (row: Row) => Item,
): ReadonlyMap<number, readonly Item[]> {
  const groups = new Map<number, Item[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group === undefined) groups.set(keyOf(row), [itemOf(row)]);
    else group.push(itemOf(row));
  }
  return groups;
}
