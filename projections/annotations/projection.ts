import { sql } from 'kysely';
import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import type { Projection } from '../../infra/database/projection.ts';

export interface AnnotationsDatabase {
  annotations: { repository: string; digest: string; key: string; value: string };
}

type Event = Extract<ArtifactEvent, { type: 'ManifestPushed' | 'ManifestDeleted' }>;

/** As much of a key or a value as somebody searches for; what is longer is found by its beginning. */
const maxLength = 256;
/** Of one manifest; more are not written by people. */
const maxAnnotations = 64;

/** What manifests say of themselves: answers a search for it. */
export const annotations: Projection<Event> = {
  name: 'annotations',
  version: 1,
  handles: ['ManifestPushed', 'ManifestDeleted'],

  async create(db) {
    const text = sql`text COLLATE "C"`;
    await db.schema
      .createTable('annotations')
      .addColumn('repository', text, (column) => column.notNull())
      .addColumn('digest', text, (column) => column.notNull())
      .addColumn('key', text, (column) => column.notNull())
      .addColumn('value', text, (column) => column.notNull())
      .addPrimaryKeyConstraint('annotations_key', ['repository', 'digest', 'key'])
      .execute();
    await db.schema.createIndex('annotations_value').on('annotations').column('value').execute();
  },

  async apply(tables, events) {
    // What a manifest says never changes, so that its last event says whether its rows are there.
    const last = new Map(events.map((event) => [`${event.data.repository}@${event.data.digest}`, event]));
    const gone = [...last.values()].filter(({ type }) => type === 'ManifestDeleted');
    await tables.remove(
      'annotations',
      ['repository', 'digest'],
      gone.map(({ data: { repository, digest } }) => ({ repository, digest })),
    );
    await tables.write(
      'annotations',
      ['repository', 'digest', 'key'],
      [...last.values()].flatMap(({ type, data }) => (type === 'ManifestPushed' ? rowsOf(data) : [])),
    );
  },
};

const rowsOf = ({
  repository,
  digest,
  annotations = {},
}: Extract<Event, { type: 'ManifestPushed' }>['data']) =>
  Object.entries(annotations)
    .slice(0, maxAnnotations)
    .map(([key, value]) => ({
      repository,
      digest,
      key: key.slice(0, maxLength),
      value: value.slice(0, maxLength),
    }));
