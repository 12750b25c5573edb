import { sql } from 'kysely';
import type { Digest } from '../../domain/digest.ts';
import { schemaOf, type ViewDatabase } from '../../infra/database/projection.ts';
import { projects } from '../projects/projection.ts';
import { type Visible, visibleProjects } from '../projects/queries.ts';
import { blobs } from './projection.ts';

/** A repository that holds a blob, and a manifest of it that needs the blob; null where none does. */
export interface BlobReference {
  readonly repository: string;
  readonly manifest: Digest | null;
  /** Whether the repository lets go of it unless something needs it soon. */
  readonly condemned: boolean;
}

/** Before the first one, both are ''. */
export interface ReferencePlace {
  readonly repository: string;
  readonly manifest: string;
}

/** Up to `limit` references to the blob after `after`, in projects that may be seen. */
export async function listBlobReferences(
  db: ViewDatabase,
  digest: Digest,
  visible: Visible,
  after: ReferencePlace,
  limit: number,
): Promise<readonly BlobReference[]> {
  const table = (name: string) => sql.table(`${schemaOf(blobs)}.${name}`);
  // By repository first, each part of it from an index in its order: a blob can be in all repositories, and be needed by
  // thousands of manifests in each. The first of the repositories may be one that is given to its end.
  const { rows } = await sql<{ repository: string; manifest: string; condemned: boolean }>`
    SELECT r.repository, coalesce(n.manifest, '') AS manifest, c.condemnation IS NOT NULL AS condemned
    FROM (
      SELECT l.repository FROM ${table('links')} l
      JOIN ${sql.table(`${schemaOf(projects)}.projects`)} p ON p.name = split_part(l.repository, '/', 1)
      WHERE l.digest = ${digest} AND ${visibleProjects(visible)} AND l.repository >= ${after.repository}
      ORDER BY l.repository LIMIT ${limit + 1}
    ) r
    LEFT JOIN LATERAL (
      SELECT n.manifest FROM ${table('needs')} n
      WHERE n.repository = r.repository AND n.digest = ${digest}
        AND n.manifest > CASE WHEN r.repository = ${after.repository} THEN ${after.manifest} ELSE '' END
      ORDER BY n.manifest LIMIT ${limit}
    ) n ON true
    LEFT JOIN ${table('condemned')} c ON c.repository = r.repository AND c.digest = ${digest}
    WHERE r.repository > ${after.repository} OR n.manifest IS NOT NULL
    ORDER BY r.repository, n.manifest LIMIT ${limit}`.execute(db);
  return rows.map(({ repository, manifest, condemned }) => ({
    repository,
    manifest: manifest === '' ? null : (manifest as Digest),
    condemned,
  }));
}
