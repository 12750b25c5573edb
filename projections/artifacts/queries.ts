import { type Kysely, sql } from 'kysely';
import type { Digest } from '../../domain/digest.ts';
import { type Place, placesIn } from '../paging.ts';
import type { ArtifactsDatabase } from './projection.ts';

export interface StoredManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
  /** The blob store's key of the bytes. */
  readonly key: string;
  /** Whether it goes unless something needs it soon; who asks whether it is there is told that it is not. */
  readonly condemned: boolean;
}

/** The manifest, if its bytes are sound. */
export async function findManifest(
  db: Kysely<ArtifactsDatabase>,
  repository: string,
  digest: Digest,
): Promise<StoredManifest | undefined> {
  const [row] = await present(db, repository, [digest]);
  if (row === undefined || row.damaged) return undefined;
  const { damaged: _, ...manifest } = row;
  return manifest;
}

/** Those of `digests` that are manifests of the repository, also where their bytes are known to be wrong. */
export async function findManifests(
  db: Kysely<ArtifactsDatabase>,
  repository: string,
  digests: readonly Digest[],
): Promise<Map<Digest, StoredManifest & { readonly damaged: boolean }>> {
  if (digests.length === 0) return new Map();
  const found = await present(db, repository, digests);
  return new Map(found.map((manifest) => [manifest.digest, manifest]));
}

async function present(
  db: Kysely<ArtifactsDatabase>,
  repository: string,
  digests: readonly Digest[],
): Promise<(StoredManifest & { readonly damaged: boolean })[]> {
  const rows = await db
    .selectFrom('artifacts')
    .leftJoin('condemned', (join) =>
      join
        .onRef('condemned.repository', '=', 'artifacts.repository')
        .onRef('condemned.digest', '=', 'artifacts.digest'),
    )
    .leftJoin('damaged', (join) =>
      join
        .onRef('damaged.repository', '=', 'artifacts.repository')
        .onRef('damaged.digest', '=', 'artifacts.digest'),
    )
    .select(['artifacts.digest', 'media_type', 'size', 'artifacts.key', 'condemnation', 'fault'])
    .where('artifacts.repository', '=', repository)
    .where('artifacts.digest', '=', sql<string>`ANY (${[...digests]})`)
    .execute();
  return rows.map(({ digest, media_type, size, key, condemnation, fault }) => ({
    digest: digest as Digest,
    mediaType: media_type,
    size: Number(size),
    key,
    condemned: condemnation !== null,
    damaged: fault !== null,
  }));
}

/** An index of the repository that names the manifest, if there is one. */
export async function findParent(
  db: Kysely<ArtifactsDatabase>,
  repository: string,
  digest: Digest,
): Promise<Digest | undefined> {
  const row = await db
    .selectFrom('children')
    .select('index')
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .limit(1)
    .executeTakeFirst();
  return row?.index as Digest | undefined;
}

/** Up to `limit` manifests after `place`, with what is known to be wrong with each. */
export async function listStoredManifests(db: Kysely<ArtifactsDatabase>, after: Place, limit: number) {
  const rows = await db
    .selectFrom('artifacts')
    .leftJoin('damaged', (join) =>
      join
        .onRef('damaged.repository', '=', 'artifacts.repository')
        .onRef('damaged.digest', '=', 'artifacts.digest'),
    )
    .select(['artifacts.repository', 'artifacts.digest', 'size', 'artifacts.key', 'fault'])
    .where(({ eb, refTuple, tuple }) =>
      eb(refTuple('artifacts.repository', 'artifacts.digest'), '>', tuple(after.repository, after.digest)),
    )
    .orderBy('artifacts.repository')
    .orderBy('artifacts.digest')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ ...row, digest: row.digest as Digest, size: Number(row.size) }));
}

/** Up to `limit` repositories that hold a manifest, after `last`, which need not be one, in byte order. */
export async function listRepositories(
  db: Kysely<ArtifactsDatabase>,
  { last, limit }: { readonly last: string; readonly limit: number },
): Promise<string[]> {
  // From one repository to the next by the key: a DISTINCT would read every manifest of those in between.
  const rows = await db
    .withRecursive('page(repository, place)', (cte) =>
      cte
        .selectFrom(({ selectFrom }) =>
          selectFrom('artifacts')
            .select((eb) => eb.ref('repository').$castTo<string | null>().as('repository'))
            .where('repository', '>', last)
            .orderBy('repository')
            .limit(1)
            .as('first'),
        )
        .select(['first.repository', sql<number>`1`.as('place')])
        .unionAll(
          cte
            .selectFrom('page')
            .select(({ selectFrom }) => [
              selectFrom('artifacts')
                .select('artifacts.repository')
                .whereRef('artifacts.repository', '>', 'page.repository')
                .orderBy('artifacts.repository')
                .limit(1)
                .as('repository'),
              sql<number>`place + 1`.as('place'),
            ])
            .where('page.repository', 'is not', null)
            .where('place', '<', limit),
        ),
    )
    .selectFrom('page')
    .select('repository')
    .orderBy('place')
    .execute();
  return rows.flatMap(({ repository }) => repository ?? []);
}

/** Up to `limit` manifests after `after` of repositories of the project. */
export const listManifestsOf = (
  db: Kysely<ArtifactsDatabase>,
  project: string,
  after: Place,
  limit: number,
) => placesIn(db, 'artifacts', { project, after, limit });

/** Up to `limit` manifests of the repository after `after`, by their digests. */
export async function listManifestsIn(
  db: Kysely<ArtifactsDatabase>,
  repository: string,
  after: Place,
  limit: number,
): Promise<{ readonly repository: string; readonly digest: Digest }[]> {
  const rows = await db
    .selectFrom('artifacts')
    .select('digest')
    .where('repository', '=', repository)
    .where('digest', '>', after.digest)
    .orderBy('digest')
    .limit(limit)
    .execute();
  return rows.map(({ digest }) => ({ repository, digest: digest as Digest }));
}

/** What an index of the repository names, be it there or not. */
export async function listChildren(
  db: Kysely<ArtifactsDatabase>,
  { repository, digest }: { readonly repository: string; readonly digest: Digest },
): Promise<Digest[]> {
  const rows = await db
    .selectFrom('children')
    .select('digest')
    .where('repository', '=', repository)
    .where('index', '=', digest)
    .execute();
  return rows.map((row) => row.digest as Digest);
}

/** Whether a repository of the project holds a manifest; one that was emptied is nothing to keep the project for. */
export const holdsManifests = async (db: Kysely<ArtifactsDatabase>, project: string): Promise<boolean> =>
  (await listManifestsOf(db, project, { repository: '', digest: '' }, 1)).length > 0;

/** How many manifests are stored, and their bytes; counted, which takes its time. */
export async function measureStoredManifests(db: Kysely<ArtifactsDatabase>) {
  const row = await db
    .selectFrom('artifacts')
    .select(({ fn }) => [fn.countAll<string>().as('items'), fn.sum<string | null>('size').as('bytes')])
    .executeTakeFirstOrThrow();
  return { items: Number(row.items), bytes: Number(row.bytes ?? 0) };
}
