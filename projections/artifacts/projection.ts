import { sql } from 'kysely';
import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import { needsOf } from '../../domain/artifact/manifest.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { TagEvent } from '../../domain/tag/events.ts';
import type { Change, Projection } from '../../infra/database/projection.ts';

export interface ArtifactsDatabase {
  artifacts: {
    repository: string;
    digest: string;
    media_type: string;
    artifact_type: string | null;
    /** Bytes of the manifest. */
    size: string;
    key: string;
    /** The manifest that this one refers to, be it there or not. */
    subject: string | null;
    pushed_at: Date;
  };
  /** What the indexes of a repository name, be it there or not. */
  children: { repository: string; index: string; digest: string };
  /** Manifests that go unless something needs them soon. */
  condemned: { repository: string; digest: string; condemnation: string; condemned_at: Date };
  /**
   * When a manifest lost something that kept it: a tag, or an index that named it; was last reprieved; or was deleted
   * itself, which is when those that refer to it lost it.
   */
  touched: { repository: string; digest: string; touched_at: Date };
  /** Manifests whose bytes are known to be wrong. */
  damaged: { repository: string; digest: string; key: string; fault: string; found_at: Date };
}

type Event = ArtifactEvent | TagEvent;

/** The manifests of each repository, and where their bytes are: answers pulls by digest. */
export const artifacts: Projection<Event> = {
  name: 'artifacts',
  version: 3,
  handles: [
    'ManifestPushed',
    'ManifestDeleted',
    'ManifestCondemned',
    'ManifestReprieved',
    'ManifestDamaged',
    'TagMoved',
    'TagRemoved',
  ],

  async create(db) {
    const text = sql`text COLLATE "C"`;
    await db.schema
      .createTable('artifacts')
      .addColumn('repository', text, (column) => column.notNull())
      .addColumn('digest', text, (column) => column.notNull())
      .addColumn('media_type', 'text', (column) => column.notNull())
      .addColumn('artifact_type', 'text')
      .addColumn('size', 'bigint', (column) => column.notNull())
      .addColumn('key', 'text', (column) => column.notNull())
      .addColumn('subject', text)
      .addColumn('pushed_at', 'timestamptz', (column) => column.notNull())
      .addPrimaryKeyConstraint('artifacts_key', ['repository', 'digest'])
      .execute();
    // For who knows the bytes and not the repository.
    await db.schema.createIndex('artifacts_digest').on('artifacts').column('digest').execute();
    await db.schema
      .createTable('children')
      .addColumn('repository', text, (column) => column.notNull())
      .addColumn('index', text, (column) => column.notNull())
      .addColumn('digest', text, (column) => column.notNull())
      .addPrimaryKeyConstraint('children_key', ['repository', 'index', 'digest'])
      .execute();
    await db.schema.createIndex('children_digest').on('children').columns(['repository', 'digest']).execute();
    await db.schema
      .createTable('condemned')
      .addColumn('repository', text, (column) => column.notNull())
      .addColumn('digest', text, (column) => column.notNull())
      .addColumn('condemnation', 'text', (column) => column.notNull())
      .addColumn('condemned_at', 'timestamptz', (column) => column.notNull())
      .addPrimaryKeyConstraint('condemned_key', ['repository', 'digest'])
      .execute();
    await db.schema
      .createTable('touched')
      .addColumn('repository', text, (column) => column.notNull())
      .addColumn('digest', text, (column) => column.notNull())
      .addColumn('touched_at', 'timestamptz', (column) => column.notNull())
      .addPrimaryKeyConstraint('touched_key', ['repository', 'digest'])
      .execute();
    await db.schema
      .createTable('damaged')
      .addColumn('repository', text, (column) => column.notNull())
      .addColumn('digest', text, (column) => column.notNull())
      .addColumn('key', 'text', (column) => column.notNull())
      .addColumn('fault', 'text', (column) => column.notNull())
      .addColumn('found_at', 'timestamptz', (column) => column.notNull())
      .addPrimaryKeyConstraint('damaged_key', ['repository', 'digest'])
      .execute();
  },

  async apply(tables, events) {
    const { artifacts, condemned, damaged, touched, children, childless } = changesBy(events);
    const key = ['repository', 'digest'];
    await tables.applyChanges('artifacts', key, artifacts);
    await tables.applyChanges('condemned', key, condemned);
    await tables.applyChanges('damaged', key, damaged);
    await tables.write('touched', key, touched);
    // What an index names never changes, so that its last event says whether its rows are there.
    await tables.remove('children', ['repository', 'index'], childless);
    await tables.write('children', ['repository', 'index', 'digest'], children);
  },
};

/** What the events do to each table, in their order. */
function changesBy(events: readonly RecordedEvent<Event>[]) {
  const artifacts: Change[] = [];
  const condemned: Change[] = [];
  const damaged: Change[] = [];
  const touched: object[] = [];
  const children = new Map<string, readonly object[]>();
  const childless = new Map<string, object>();
  for (const event of events) {
    const { repository, digest } = event.data;
    const name = `${repository}@${digest}`;
    switch (event.type) {
      case 'ManifestPushed':
        artifacts.push({ row: rowOf(event.data, event.recordedAt) });
        // There before, if its bytes were damaged.
        condemned.push({ row: { repository, digest }, removed: true });
        damaged.push({ row: { repository, digest }, removed: true });
        children.set(
          name,
          needsOf(event.data).manifests.map((child) => ({ repository, index: digest, digest: child })),
        );
        childless.delete(name);
        break;
      case 'ManifestDeleted':
        artifacts.push({ row: { repository, digest }, removed: true });
        condemned.push({ row: { repository, digest }, removed: true });
        damaged.push({ row: { repository, digest }, removed: true });
        children.delete(name);
        childless.set(name, { repository, index: digest });
        for (const released of [digest, ...event.data.manifests])
          touched.push({ repository, digest: released, touched_at: event.recordedAt });
        break;
      case 'ManifestCondemned':
        condemned.push({ row: { ...event.data, condemned_at: event.recordedAt } });
        break;
      case 'ManifestReprieved':
        condemned.push({ row: { repository, digest }, removed: true });
        touched.push({ repository, digest, touched_at: event.recordedAt });
        break;
      case 'ManifestDamaged':
        damaged.push({ row: { ...event.data, found_at: event.recordedAt } });
        break;
      case 'TagMoved':
        touched.push({ repository, digest: event.data.from, touched_at: event.recordedAt });
        break;
      case 'TagRemoved':
        touched.push({ repository, digest, touched_at: event.recordedAt });
    }
  }
  return {
    artifacts,
    condemned,
    damaged,
    touched,
    children: [...children.values()].flat(),
    childless: [...childless.values()],
  };
}

type Pushed = Extract<ArtifactEvent, { type: 'ManifestPushed' }>['data'];

const rowOf = (manifest: Pushed, pushedAt: Date) => ({
  repository: manifest.repository,
  digest: manifest.digest,
  media_type: manifest.mediaType,
  artifact_type: manifest.artifactType ?? null,
  size: manifest.size,
  key: manifest.key,
  subject: manifest.subject?.digest ?? null,
  pushed_at: pushedAt,
});
