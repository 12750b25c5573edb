import { type Kysely, sql } from 'kysely';
import type { Digest } from '../../domain/digest.ts';
import { among, type Place } from '../paging.ts';
import type { BlobsDatabase } from './projection.ts';

/** A blob that a repository holds, and what keeps it there. */
export interface HeldBlob {
  readonly repository: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** How many manifests of the repository need it. */
  readonly needs: number;
  readonly isCondemned: boolean;
}

/** What `manifests` need: each blob, or manifest, as often as it is needed. */
export async function findNeedsOf(
  db: Kysely<BlobsDatabase>,
  manifests: readonly Place[],
): Promise<readonly Place[]> {
  if (manifests.length === 0) return [];
  return db
    .selectFrom('needs')
    .select(['repository', 'digest'])
    .where(among(manifests, 'manifest'))
    .execute();
}

/** Those of `places` that a repository holds. */
export async function findHeld(
  db: Kysely<BlobsDatabase>,
  places: readonly Place[],
): Promise<readonly HeldBlob[]> {
  if (places.length === 0) return [];
  const rows = await db
    .with('held', (query) => query.selectFrom('links').select(['repository', 'digest']).where(among(places)))
    .selectFrom('held')
    .leftJoin('blobs', 'blobs.digest', 'held.digest')
    .select(({ exists, selectFrom }) => [
      'held.repository',
      'held.digest',
      'blobs.size',
      selectFrom('needs')
        .select(({ fn }) => fn.countAll<string>().as('count'))
        .whereRef('needs.repository', '=', 'held.repository')
        .whereRef('needs.digest', '=', 'held.digest')
        .as('needs'),
      exists(
        selectFrom('condemned')
          .select('condemned.condemnation')
          .whereRef('condemned.repository', '=', 'held.repository')
          .whereRef('condemned.digest', '=', 'held.digest'),
      ).as('is_condemned'),
    ])
    .execute();
  return rows.map(({ repository, digest, size, needs, is_condemned }) => ({
    repository,
    digest: digest as Digest,
    size: Number(size),
    needs: Number(needs),
    isCondemned: Boolean(is_condemned),
  }));
}

/** How many repositories hold each of `digests`. */
export async function countHolders(
  db: Kysely<BlobsDatabase>,
  digests: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom('links')
    .select(({ fn }) => ['digest', fn.countAll<string>().as('count')])
    .where('digest', '=', sql<string>`ANY (${[...digests]})`)
    .groupBy('digest')
    .execute();
  return new Map(rows.map(({ digest, count }) => [digest, Number(count)]));
}
