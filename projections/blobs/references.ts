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
  const { rows } = await sql<{ repository: string; manifest: string; condemned: boolean }>`
    SELECT l.repository, coalesce(n.manifest, '') AS manifest, c.condemnation IS NOT NULL AS condemned
    FROM ${table('links')} l
    JOIN ${sql.table(`${schemaOf(projects)}.projects`)} p ON p.name = split_part(l.repository, '/', 1)
    LEFT JOIN ${table('needs')} n ON n.repository = l.repository AND n.digest = l.digest
    LEFT JOIN ${table('condemned')} c ON c.repository = l.repository AND c.digest = l.digest
    WHERE l.digest = ${digest} AND ${visibleProjects(visible)}
      AND (l.repository, coalesce(n.manifest, '')) > (${after.repository}, ${after.manifest})
    ORDER BY l.repository, coalesce(n.manifest, '') LIMIT ${limit}`.execute(db);
  return rows.map(({ repository, manifest, condemned }) => ({
    repository,
    manifest: manifest === '' ? null : (manifest as Digest),
    condemned,
  }));
}
