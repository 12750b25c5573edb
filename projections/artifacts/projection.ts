import { sql } from 'kysely';
import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import type { Projection } from '../../infra/database/projection.ts';

export interface ArtifactsDatabase {
  artifacts: {
    repository: string;
    digest: string;
    media_type: string;
    artifact_type: string | null;
    /** Bytes of the manifest. */
    size: string;
    key: string;
    pushed_at: Date;
  };
}

/** The manifests of each repository, and where their bytes are: answers pulls by digest. */
export const artifacts: Projection<ArtifactEvent> = {
  name: 'artifacts',
  version: 1,
  handles: ['ManifestPushed'],

  create: (db) =>
    db.schema
      .createTable('artifacts')
      .addColumn('repository', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('digest', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('media_type', 'text', (column) => column.notNull())
      .addColumn('artifact_type', 'text')
      .addColumn('size', 'bigint', (column) => column.notNull())
      .addColumn('key', 'text', (column) => column.notNull())
      .addColumn('pushed_at', 'timestamptz', (column) => column.notNull())
      .addPrimaryKeyConstraint('artifacts_key', ['repository', 'digest'])
      .execute(),

  apply(tables, events) {
    const rows = events.map(({ data, recordedAt }) => ({
      repository: data.repository,
      digest: data.digest,
      media_type: data.mediaType,
      artifact_type: data.artifactType ?? null,
      size: data.size,
      key: data.key,
      pushed_at: recordedAt,
    }));
    return tables.write('artifacts', ['repository', 'digest'], rows);
  },
};
