import type { Kysely } from 'kysely';
import type { Digest } from '../../domain/digest.ts';
import type { BlobsDatabase } from './projection.ts';

export interface ReadableBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** The blob store's key of the bytes. */
  readonly key: string;
}

/** The blob, if the repository holds it: what another repository holds is unknown here. */
export async function findBlob(
  db: Kysely<BlobsDatabase>,
  repository: string,
  digest: Digest,
): Promise<ReadableBlob | undefined> {
  const row = await linked(db, repository).where('links.digest', '=', digest).executeTakeFirst();
  return row && { digest, size: Number(row.size), key: row.key };
}

/** The sizes of those of `digests` that the repository holds. */
export async function blobSizes(
  db: Kysely<BlobsDatabase>,
  repository: string,
  digests: readonly Digest[],
): Promise<Map<Digest, number>> {
  const rows = await linked(db, repository)
    .where('links.digest', 'in', [...digests])
    .execute();
  return new Map(rows.map(({ digest, size }) => [digest as Digest, Number(size)]));
}

const linked = (db: Kysely<BlobsDatabase>, repository: string) =>
  db
    .selectFrom('links')
    .innerJoin('blobs', 'blobs.digest', 'links.digest')
    .select(['blobs.digest', 'size', 'key'])
    .where('repository', '=', repository);
