import { type Kysely, sql } from 'kysely';
import { type Columns, conditionsOf, type Listing, maxRows, orderOf, type Page } from '../listing.ts';
import { lastPullOf, pullTimeOf } from '../pulls/queries.ts';
import { askedFor, grouped, type ListedArtifact } from './artifacts.ts';
import { type RepositoriesDatabase, rowsIn } from './tables.ts';

export interface ListedTag {
  /** The position of the event that assigned it. */
  readonly id: number;
  readonly name: string;
  /** When it came to point where it does. */
  readonly pushedAt: Date;
  /** Null for never. */
  readonly pulledAt: Date | null;
}

type Db = Kysely<RepositoriesDatabase>;

const columns: Columns = {
  id: { column: 'id', type: 'long' },
  name: { column: 'tag', type: 'text' },
  pushtime: { column: 'pushed_at', type: 'time' },
  pulltime: { column: pullTimeOf('tags', 'listed_tags'), type: 'time' },
};

/** The tags that point at the artifact. */
export async function listTagsOf(
  db: Db,
  { repository, digest, tagCount }: Pick<ListedArtifact, 'repository' | 'digest' | 'tagCount'>,
  listing: Listing,
): Promise<Page<ListedTag>> {
  const conditions = conditionsOf(listing.filters, columns);
  const all = conditions.reduce(
    (query, condition) => query.where(condition),
    db.selectFrom('listed_tags').where('repository', '=', repository).where('digest', '=', digest),
  );
  const page = all
    .select(['id', 'tag', 'pushed_at'])
    .select(lastPullOf('tags', 'listed_tags').as('pulled_at'))
    .orderBy(orderOf(listing, columns, []))
    .orderBy('pushed_at', 'desc')
    .orderBy('id', 'desc')
    .offset(listing.offset);
  const [rows, total] = await Promise.all([
    page.limit(listing.limit ?? maxRows).execute(),
    conditions.length === 0
      ? tagCount
      : all
          .select(({ fn }) => fn.countAll<string>().as('total'))
          .executeTakeFirstOrThrow()
          .then(({ total }) => Number(total)),
  ]);
  return { rows: rows.map(tagOf), total };
}

/** Up to `limit` tags of each of the artifacts, the newest first, by its id. */
export async function findTagsOf(
  db: Db,
  artifacts: readonly ListedArtifact[],
  limit: number,
): Promise<ReadonlyMap<number, readonly ListedTag[]>> {
  const tagged = artifacts.filter(({ tagCount }) => tagCount > 0);
  if (tagged.length === 0) return new Map();
  const { rows } = await sql<TagRow & { artifact: string }>`
    SELECT asked.id AS artifact, t.id, t.tag, t.pushed_at, ${lastPullOf('tags', 't')} AS pulled_at FROM ${askedFor(tagged)}, LATERAL (
      SELECT repository, id, tag, pushed_at FROM ${rowsIn(db, 'listed_tags')} t
      WHERE t.repository = asked.repository AND t.digest = asked.digest
      ORDER BY t.pushed_at DESC, t.id DESC LIMIT ${limit}
    ) t ORDER BY asked.id, t.pushed_at DESC, t.id DESC`.execute(db);
  return grouped(rows, ({ artifact }) => Number(artifact), tagOf);
}

interface TagRow {
  readonly id: string;
  readonly tag: string;
  readonly pushed_at: Date;
  readonly pulled_at: Date | null;
}

const tagOf = ({ id, tag, pushed_at, pulled_at }: TagRow): ListedTag => ({
  id: Number(id),
  name: tag,
  pushedAt: pushed_at,
  pulledAt: pulled_at,
});
