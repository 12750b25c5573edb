import { type Kysely, sql } from 'kysely';
import type { Digest } from '../../domain/digest.ts';
import { among, hoursAgo, nextOf, type Page, type Place, pageRows, those } from '../paging.ts';
import type { ArtifactsDatabase } from './projection.ts';

export interface SizedManifestAt {
  readonly repository: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}
export interface CondemnedManifest extends SizedManifestAt {
  readonly condemnation: string;
}
export interface UnneededManifest extends SizedManifestAt {
  /** What it refers to, which is not there. */
  readonly subject: Digest | null;
  /** Since when its grace counts. */
  readonly since: Date;
}

/**
 * The manifests of the next page that no index names and that refer to nothing that is there, and have not for
 * `graceHours`; whether a tag points at them is not known here.
 */
export async function findUnneededManifests(
  db: Kysely<ArtifactsDatabase>,
  after: Place,
  graceHours: number,
): Promise<Page<UnneededManifest>> {
  const rows = await db
    .with('page', (page) =>
      page
        .selectFrom('artifacts')
        .select(['repository', 'digest', 'size', 'subject', 'pushed_at'])
        .where(({ eb, refTuple, tuple }) =>
          eb(refTuple('repository', 'digest'), '>', tuple(after.repository, after.digest)),
        )
        .orderBy('repository')
        .orderBy('digest')
        .limit(pageRows),
    )
    .selectFrom('page')
    .leftJoin('touched', (join) =>
      join.onRef('touched.repository', '=', 'page.repository').onRef('touched.digest', '=', 'page.digest'),
    )
    .leftJoin('touched as lost', (join) =>
      join.onRef('lost.repository', '=', 'page.repository').onRef('lost.digest', '=', 'page.subject'),
    )
    .select(({ and, eb, exists, fn, not, selectFrom }) => [
      'page.repository',
      'page.digest',
      'page.size',
      'page.subject',
      fn<Date>('greatest', ['page.pushed_at', 'touched.touched_at', 'lost.touched_at']).as('since'),
      and([
        eb(
          fn<Date>('greatest', ['page.pushed_at', 'touched.touched_at', 'lost.touched_at']),
          '<=',
          hoursAgo(graceHours),
        ),
        not(
          exists(
            selectFrom('children')
              .select('children.index')
              .whereRef('children.repository', '=', 'page.repository')
              .whereRef('children.digest', '=', 'page.digest'),
          ),
        ),
        not(
          exists(
            selectFrom('artifacts as subjects')
              .select('subjects.digest')
              .whereRef('subjects.repository', '=', 'page.repository')
              .whereRef('subjects.digest', '=', 'page.subject'),
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
    items: items.map((row) => ({
      ...sizedManifest(row),
      subject: row.subject as Digest | null,
      since: row.since,
    })),
    next: nextOf(rows),
    seen: rows.length,
  };
}

/** The manifests of the next page that were condemned `delayHours` ago or before. */
export async function findCondemnedManifests(
  db: Kysely<ArtifactsDatabase>,
  after: Place,
  delayHours: number,
): Promise<Page<CondemnedManifest>> {
  const rows = await db
    .selectFrom('condemned')
    .innerJoin('artifacts', (join) =>
      join
        .onRef('artifacts.repository', '=', 'condemned.repository')
        .onRef('artifacts.digest', '=', 'condemned.digest'),
    )
    .select(['condemned.repository', 'condemned.digest', 'condemnation', 'size'])
    .where(({ eb, refTuple, tuple }) =>
      eb(refTuple('condemned.repository', 'condemned.digest'), '>', tuple(after.repository, after.digest)),
    )
    .where('condemned_at', '<=', hoursAgo(delayHours))
    .orderBy('condemned.repository')
    .orderBy('condemned.digest')
    .limit(pageRows)
    .execute();
  return {
    items: rows.map((row) => ({ ...sizedManifest(row), condemnation: row.condemnation })),
    next: nextOf(rows),
    seen: rows.length,
  };
}

/** As `measureBlobs`, of the manifests. */
export async function measureManifests(db: Kysely<ArtifactsDatabase>, delayHours: number) {
  const [present, condemned] = await Promise.all([
    db
      .selectFrom('artifacts')
      .select(({ fn }) => fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow(),
    db
      .selectFrom('condemned')
      .select(({ fn }) => fn.countAll<string>().as('count'))
      .where('condemned_at', '<=', hoursAgo(delayHours))
      .executeTakeFirstOrThrow(),
  ]);
  return { present: Number(present.count), condemned: Number(condemned.count) };
}

/** Those of `manifests` that an index of their repository names. */
export async function findChildren<At extends Place>(
  db: Kysely<ArtifactsDatabase>,
  manifests: readonly At[],
): Promise<At[]> {
  if (manifests.length === 0) return [];
  const rows = await db
    .selectFrom('children')
    .select(['repository', 'digest'])
    .distinct()
    .where(among(manifests))
    .execute();
  return those(manifests, rows);
}

/** Those of `manifests` that refer to a manifest which is there. */
export async function findAttached<At extends Place>(
  db: Kysely<ArtifactsDatabase>,
  manifests: readonly At[],
): Promise<At[]> {
  if (manifests.length === 0) return [];
  return those(manifests, await findSubjects(db, manifests));
}

/** The manifests that are there and that one of `manifests` refers to. */
export const findSubjects = (
  db: Kysely<ArtifactsDatabase>,
  manifests: readonly Place[],
): Promise<(Place & { readonly subject: string })[]> =>
  db
    .with('referrers', (query) =>
      query.selectFrom('artifacts').select(['repository', 'digest', 'subject']).where(among(manifests)),
    )
    .selectFrom('referrers')
    .innerJoin('artifacts as subjects', (join) =>
      join
        .onRef('subjects.repository', '=', 'referrers.repository')
        .onRef('subjects.digest', '=', 'referrers.subject'),
    )
    .select(['referrers.repository', 'referrers.digest', 'subjects.digest as subject'])
    .execute();

/** The keys of the bytes of all manifests with one of `digests`, in whatever repository. */
export async function findManifestKeys(
  db: Kysely<ArtifactsDatabase>,
  digests: readonly string[],
): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('artifacts')
    .select('key')
    .where('digest', '=', sql<string>`ANY (${[...digests]})`)
    .execute();
  return rows.map(({ key }) => key);
}

const sizedManifest = (row: Place & { readonly size: string }): SizedManifestAt => ({
  repository: row.repository,
  digest: row.digest as Digest,
  size: Number(row.size),
});
