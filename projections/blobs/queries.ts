import { type Kysely, sql } from 'kysely';
import type { Digest } from '../../domain/digest.ts';
import { type Place, placesIn } from '../paging.ts';
import type { BlobsDatabase } from './projection.ts';

export interface ReadableBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** The blob store's key of the bytes. */
  readonly key: string;
  /** Whether it goes unless something needs it soon; who asks whether it is there is told that it is not. */
  readonly condemned: boolean;
}

/** The blob, if the repository holds it and its bytes are sound: what another repository holds is unknown here. */
export async function findBlob(
  db: Kysely<BlobsDatabase>,
  repository: string,
  digest: Digest,
): Promise<ReadableBlob | undefined> {
  const [row] = await readable(db, repository, [digest]);
  return row;
}

/** Those of `digests` that the repository holds. */
export async function findBlobs(
  db: Kysely<BlobsDatabase>,
  repository: string,
  digests: readonly Digest[],
): Promise<Map<Digest, ReadableBlob>> {
  if (digests.length === 0) return new Map();
  const found = await readable(db, repository, digests);
  return new Map(found.map((blob) => [blob.digest, blob]));
}

async function readable(
  db: Kysely<BlobsDatabase>,
  repository: string,
  digests: readonly Digest[],
): Promise<ReadableBlob[]> {
  const rows = await db
    .selectFrom('links')
    .innerJoin('blobs', 'blobs.digest', 'links.digest')
    .leftJoin('condemned', (join) =>
      join
        .onRef('condemned.repository', '=', 'links.repository')
        .onRef('condemned.digest', '=', 'links.digest'),
    )
    .leftJoin('damaged', 'damaged.digest', 'links.digest')
    .select(['blobs.digest', 'blobs.size', 'blobs.key', 'condemnation'])
    .where('links.repository', '=', repository)
    .where('links.digest', '=', sql<string>`ANY (${[...digests]})`)
    .where('damaged.digest', 'is', null)
    .execute();
  return rows.map(({ digest, size, key, condemnation }) => ({
    digest: digest as Digest,
    size: Number(size),
    key,
    condemned: condemnation !== null,
  }));
}

/** Up to `limit` blobs after `digest`, in the order of their digests, with what is known to be wrong with each. */
export async function listStoredBlobs(db: Kysely<BlobsDatabase>, digest: string, limit: number) {
  const rows = await db
    .selectFrom('blobs')
    .leftJoin('damaged', 'damaged.digest', 'blobs.digest')
    .select(['blobs.digest', 'blobs.size', 'blobs.key', 'damaged.fault'])
    .where('blobs.digest', '>', digest)
    .orderBy('blobs.digest')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ ...row, digest: row.digest as Digest, size: Number(row.size) }));
}

/** How many blobs are stored, and their bytes; counted, which takes its time. */
export async function measureStoredBlobs(db: Kysely<BlobsDatabase>) {
  const row = await db
    .selectFrom('blobs')
    .select(({ fn }) => [fn.countAll<string>().as('items'), fn.sum<string | null>('size').as('bytes')])
    .executeTakeFirstOrThrow();
  return { items: Number(row.items), bytes: Number(row.bytes ?? 0) };
}

/** Up to `limit` repositories that hold the blob, with sound bytes and not about to let it go. */
export async function findHolders(
  db: Kysely<BlobsDatabase>,
  digest: Digest,
  limit: number,
): Promise<string[]> {
  const rows = await db
    .selectFrom('links')
    .leftJoin('condemned', (join) =>
      join
        .onRef('condemned.repository', '=', 'links.repository')
        .onRef('condemned.digest', '=', 'links.digest'),
    )
    .leftJoin('damaged', 'damaged.digest', 'links.digest')
    .select('links.repository')
    .where('links.digest', '=', digest)
    .where('condemnation', 'is', null)
    .where('damaged.digest', 'is', null)
    .limit(limit)
    .execute();
  return rows.map(({ repository }) => repository);
}

/** Up to `limit` links after `after` of repositories of the project. */
export const listLinksOf = (db: Kysely<BlobsDatabase>, project: string, after: Place, limit: number) =>
  placesIn(db, 'links', { project, after, limit });
