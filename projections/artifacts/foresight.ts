import type { Kysely } from 'kysely';
import type { Digest } from '../../domain/digest.ts';
import { among, type Place } from '../paging.ts';
import { findSubjects, type UnneededManifest } from './garbage.ts';
import type { ArtifactsDatabase } from './projection.ts';

/** One manifest that keeps another one of its repository. */
export interface Keeper {
  readonly repository: string;
  readonly digest: string;
  /** An index that names it, or what it refers to, which is there. */
  readonly by: 'index' | 'subject';
  readonly keeper: string;
}

/** All manifests that keep one of `manifests`. */
export async function findKeepers(
  db: Kysely<ArtifactsDatabase>,
  manifests: readonly Place[],
): Promise<readonly Keeper[]> {
  if (manifests.length === 0) return [];
  const [indexes, subjects] = await Promise.all([
    db
      .selectFrom('children')
      .select(['repository', 'digest', 'index as keeper'])
      .where(among(manifests))
      .execute(),
    findSubjects(db, manifests),
  ]);
  return [
    ...indexes.map((row) => ({ ...row, by: 'index' as const })),
    ...subjects.map(({ subject, ...row }) => ({ ...row, keeper: subject, by: 'subject' as const })),
  ];
}

/** What `indexes` name. */
export async function findChildrenOf(
  db: Kysely<ArtifactsDatabase>,
  indexes: readonly Place[],
): Promise<readonly Place[]> {
  if (indexes.length === 0) return [];
  return db
    .selectFrom('children')
    .select(['repository', 'digest'])
    .distinct()
    .where(among(indexes, 'index'))
    .execute();
}

/** Those of `places` that are there and not condemned. */
export async function findUncondemned(
  db: Kysely<ArtifactsDatabase>,
  places: readonly Place[],
): Promise<readonly Omit<UnneededManifest, 'since'>[]> {
  if (places.length === 0) return [];
  const rows = await db
    .with('present', (query) =>
      query.selectFrom('artifacts').select(['repository', 'digest', 'size', 'subject']).where(among(places)),
    )
    .selectFrom('present')
    .leftJoin('condemned', (join) =>
      join
        .onRef('condemned.repository', '=', 'present.repository')
        .onRef('condemned.digest', '=', 'present.digest'),
    )
    .select(['present.repository', 'present.digest', 'present.size', 'present.subject'])
    .where('condemned.condemnation', 'is', null)
    .execute();
  return rows.map(({ repository, digest, size, subject }) => ({
    repository,
    digest: digest as Digest,
    size: Number(size),
    subject: subject as Digest | null,
  }));
}
