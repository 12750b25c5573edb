import type { Kysely } from 'kysely';
import type { Digest } from '../../domain/digest.ts';
import type { ArtifactsDatabase } from './projection.ts';

export interface StoredManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
  /** The blob store's key of the bytes. */
  readonly key: string;
}

export async function findManifest(
  db: Kysely<ArtifactsDatabase>,
  repository: string,
  digest: Digest,
): Promise<StoredManifest | undefined> {
  const row = await db
    .selectFrom('artifacts')
    .select(['media_type', 'size', 'key'])
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .executeTakeFirst();
  return row && { digest, mediaType: row.media_type, size: Number(row.size), key: row.key };
}

/** The sizes of those of `digests` that are manifests of the repository. */
export async function manifestSizes(
  db: Kysely<ArtifactsDatabase>,
  repository: string,
  digests: readonly Digest[],
): Promise<Map<Digest, number>> {
  const rows = await db
    .selectFrom('artifacts')
    .select(['digest', 'size'])
    .where('repository', '=', repository)
    .where('digest', 'in', [...digests])
    .execute();
  return new Map(rows.map(({ digest, size }) => [digest as Digest, Number(size)]));
}
