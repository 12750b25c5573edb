import { type Kysely, sql } from 'kysely';
import type { AccessoryType } from '../../domain/artifact/accessory.ts';
import type { Digest } from '../../domain/digest.ts';
import { countOf, filtered, pageOf } from '../list-page.ts';
import { type Columns, type Listing, orderOf, type Page } from '../listing.ts';
import { type ArtifactName, askedFor, grouped, type ListedArtifact } from './artifacts.ts';
import { type RepositoriesDatabase, rowsIn } from './tables.ts';

export interface ListedAccessory {
  /** That of its artifact. */
  readonly id: number;
  readonly repository: string;
  readonly digest: Digest;
  readonly type: AccessoryType;
  /** Bytes; 0 for one that is an index. */
  readonly size: number;
  readonly pushedAt: Date;
}

type Db = Kysely<RepositoriesDatabase>;

const columns: Columns = {
  id: { column: 'id', type: 'long' },
  type: { column: 'accessory', type: 'text' },
  digest: { column: 'digest', type: 'text' },
  size: { column: 'size', type: 'long' },
  creationtime: { column: 'pushed_at', type: 'time' },
};

const shown = ['id', 'repository', 'digest', 'accessory', 'size', 'pushed_at'] as const;

/** The accessories of the artifact, the newest first. */
export async function listAccessories(
  db: Db,
  { repository, digest }: ArtifactName,
  listing: Listing,
): Promise<Page<ListedAccessory>> {
  const all = filtered(
    db.selectFrom('listed_artifacts').where('repository', '=', repository).where('subject', '=', digest),
    listing.filters,
    columns,
  );
  const page = all
    .select(shown)
    .orderBy(orderOf(listing, columns, []))
    .orderBy('pushed_at', 'desc')
    .orderBy('id', 'desc');
  // As many as somebody has signed or attached; an index has them.
  const { rows, total } = await pageOf(page, countOf(all), listing);
  return { rows: rows.map(accessoryOf), total };
}

/** Up to `limit` accessories of the artifact. */
export async function accessoriesOf(
  db: Db,
  { repository, digest }: ArtifactName,
  limit: number,
): Promise<Digest[]> {
  const rows = await db
    .selectFrom('listed_artifacts')
    .select('digest')
    .where('repository', '=', repository)
    .where('subject', '=', digest)
    .limit(limit)
    .execute();
  return rows.map((row) => row.digest as Digest);
}

/** Up to `limit` accessories of each of the artifacts, the newest first, by its id. */
export async function findAccessoriesOf(
  db: Db,
  artifacts: readonly ListedArtifact[],
  limit: number,
): Promise<ReadonlyMap<number, readonly ListedAccessory[]>> {
  if (artifacts.length === 0) return new Map();
  const { rows } = await sql<Row & { readonly of: string }>`
    SELECT asked.id AS of, found.* FROM ${askedFor(artifacts)}, LATERAL (
      SELECT ${sql.raw(shown.join(', '))} FROM ${rowsIn(db, 'listed_artifacts')} a
      WHERE a.repository = asked.repository AND a.subject = asked.digest
      ORDER BY a.pushed_at DESC, a.id DESC LIMIT ${limit}
    ) found ORDER BY asked.id, found.pushed_at DESC, found.id DESC`.execute(db);
  return grouped(rows, ({ of }) => Number(of), accessoryOf);
}

type Row = Pick<RepositoriesDatabase['listed_artifacts'], (typeof shown)[number]>;

const accessoryOf = ({ id, repository, digest, accessory, size, pushed_at }: Row): ListedAccessory => ({
  id: Number(id),
  repository,
  digest: digest as Digest,
  type: accessory as AccessoryType,
  size: Number(size ?? 0),
  pushedAt: pushed_at,
});
