import { type Kysely, sql } from 'kysely';
import type { Digest } from '../../domain/digest.ts';
import { among, hoursAgo, nextOf, type Page, type Place, pageRows, those } from '../paging.ts';
import type { BlobsDatabase } from './projection.ts';

export interface LinkedBlob {
  readonly repository: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}
export interface UnneededBlob extends LinkedBlob {
  /** Since when its grace counts. */
  readonly since: Date;
}
export interface CondemnedBlob extends LinkedBlob {
  readonly condemnation: string;
}

/** The blobs of the next page that no manifest of their repository needs, nor has needed for `graceHours`. */
export async function findUnneededBlobs(
  db: Kysely<BlobsDatabase>,
  after: Place,
  graceHours: number,
): Promise<Page<UnneededBlob>> {
  const rows = await db
    .with('page', (page) =>
      page
        .selectFrom('links')
        .select(['repository', 'digest', 'touched_at'])
        .where(({ eb, refTuple, tuple }) =>
          eb(refTuple('repository', 'digest'), '>', tuple(after.repository, after.digest)),
        )
        .orderBy('repository')
        .orderBy('digest')
        .limit(pageRows),
    )
    .selectFrom('page')
    .leftJoin('blobs', 'blobs.digest', 'page.digest')
    .leftJoin('released', (join) =>
      join.onRef('released.repository', '=', 'page.repository').onRef('released.digest', '=', 'page.digest'),
    )
    .select(({ and, eb, exists, fn, not, selectFrom }) => [
      'page.repository',
      'page.digest',
      'blobs.size',
      fn<Date>('greatest', ['page.touched_at', 'released.released_at']).as('since'),
      and([
        eb(fn<Date>('greatest', ['page.touched_at', 'released.released_at']), '<=', hoursAgo(graceHours)),
        not(
          exists(
            selectFrom('needs')
              .select('needs.manifest')
              .whereRef('needs.repository', '=', 'page.repository')
              .whereRef('needs.digest', '=', 'page.digest'),
          ),
        ),
        not(
          exists(
            selectFrom('condemned')
              .select('condemned.condemnation')
              .whereRef('condemned.repository', '=', 'page.repository')
              .whereRef('condemned.digest', '=', 'page.digest'),
          ),
        ),
      ]).as('unneeded'),
    ])
    .orderBy('page.repository')
    .orderBy('page.digest')
    .execute();
  const items = rows.filter(({ unneeded }) => unneeded);
  return {
    items: items.map((row) => ({ ...linkedBlob(row), since: row.since })),
    next: nextOf(rows),
    seen: rows.length,
  };
}

/** The blobs of the next page that were condemned `delayHours` ago or before. */
export async function findCondemnedBlobs(
  db: Kysely<BlobsDatabase>,
  after: Place,
  delayHours: number,
): Promise<Page<CondemnedBlob>> {
  const rows = await db
    .selectFrom('condemned')
    .leftJoin('blobs', 'blobs.digest', 'condemned.digest')
    .select(['condemned.repository', 'condemned.digest', 'condemnation', 'blobs.size'])
    .where(({ eb, refTuple, tuple }) =>
      eb(refTuple('condemned.repository', 'condemned.digest'), '>', tuple(after.repository, after.digest)),
    )
    .where('condemned_at', '<=', hoursAgo(delayHours))
    .orderBy('condemned.repository')
    .orderBy('condemned.digest')
    .limit(pageRows)
    .execute();
  return {
    items: rows.map((row) => ({ ...linkedBlob(row), condemnation: row.condemnation })),
    next: nextOf(rows),
    seen: rows.length,
  };
}

/** How much a run that removes what was condemned `delayHours` ago has to look at; counted, which takes its time. */
export async function measureBlobs(db: Kysely<BlobsDatabase>, delayHours: number) {
  const [linked, condemned] = await Promise.all([
    db
      .selectFrom('links')
      .select(({ fn }) => fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow(),
    db
      .selectFrom('condemned')
      .leftJoin('blobs', 'blobs.digest', 'condemned.digest')
      .select(({ fn }) => [
        fn.countAll<string>().as('count'),
        fn.sum<string | null>('blobs.size').as('bytes'),
      ])
      .where('condemned_at', '<=', hoursAgo(delayHours))
      .executeTakeFirstOrThrow(),
  ]);
  return {
    linked: Number(linked.count),
    condemned: { items: Number(condemned.count), bytes: Number(condemned.bytes ?? 0) },
  };
}

/** Those of `blobs` that a manifest of their repository needs. */
export async function findNeeded<At extends Place>(
  db: Kysely<BlobsDatabase>,
  blobs: readonly At[],
): Promise<At[]> {
  if (blobs.length === 0) return [];
  const rows = await db
    .selectFrom('needs')
    .select(['repository', 'digest'])
    .distinct()
    .where(among(blobs))
    .execute();
  return those(blobs, rows);
}

/** Those of `digests` that have bytes, with the key of the bytes that count. */
export async function findBlobKeys(
  db: Kysely<BlobsDatabase>,
  digests: readonly string[],
): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('blobs')
    .select('key')
    .where('digest', '=', sql<string>`ANY (${[...digests]})`)
    .execute();
  return rows.map(({ key }) => key);
}

/** What the views and the stored bytes are compared by: the time of the database. */
export async function databaseTime(db: Kysely<BlobsDatabase>): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`SELECT clock_timestamp() AS now`.execute(db);
  return rows[0]?.now ?? new Date(0);
}

const linkedBlob = ({ repository, digest, size }: Place & { readonly size: string | null }): LinkedBlob => ({
  repository,
  digest: digest as Digest,
  size: Number(size),
});
