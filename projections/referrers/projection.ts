import { sql } from 'kysely';
import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { Change, Projection } from '../../infra/database/projection.ts';

export interface ReferrersDatabase {
  referrers: {
    repository: string;
    /** What it refers to, be it there or not. */
    subject: string;
    digest: string;
    /** As a filter compares it: '' where there is none. */
    artifact_type: string;
    /** Its descriptor as JSON text: annotations may hold what neither `text` nor `jsonb` can. */
    descriptor: string;
    /** The length of `descriptor` in bytes. */
    bytes: number;
  };
}

/** The manifests that refer to another one: answers the referrers API. */
export const referrers: Projection<ArtifactEvent> = {
  name: 'referrers',
  version: 1,
  handles: ['ManifestPushed', 'ManifestDeleted'],

  create: (db) =>
    db.schema
      .createTable('referrers')
      .addColumn('repository', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('subject', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('digest', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('artifact_type', 'text', (column) => column.notNull())
      .addColumn('descriptor', 'text', (column) => column.notNull())
      .addColumn('bytes', 'integer', (column) => column.notNull())
      .addPrimaryKeyConstraint('referrers_key', ['repository', 'subject', 'digest'])
      .execute(),

  apply: (tables, events) =>
    tables.applyChanges('referrers', ['repository', 'subject', 'digest'], events.flatMap(changeBy)),
};

function changeBy(event: RecordedEvent<ArtifactEvent>): Change[] {
  switch (event.type) {
    case 'ManifestPushed': {
      const { repository, digest, mediaType, size, subject, annotations } = event.data;
      if (subject === undefined) return [];
      const artifactType = artifactTypeOf(event.data);
      const descriptor = JSON.stringify({ mediaType, digest, size, artifactType, annotations });
      const row = {
        repository,
        subject: subject.digest,
        digest,
        artifact_type: artifactType ?? '',
        descriptor,
        bytes: new TextEncoder().encode(descriptor).length,
      };
      return [{ row }];
    }
    case 'ManifestDeleted': {
      const { repository, digest, subject } = event.data;
      return subject === undefined ? [] : [{ row: { repository, subject, digest }, removed: true }];
    }
    default:
      return [];
  }
}

/** distribution-spec, "Listing Referrers": the manifest's own, else that of the config of an image manifest. */
const artifactTypeOf = ({
  artifactType,
  config,
}: Extract<ArtifactEvent, { type: 'ManifestPushed' }>['data']): string | undefined =>
  artifactType || config?.mediaType;
