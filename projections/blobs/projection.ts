import { sql } from 'kysely';
import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import { needsOf } from '../../domain/artifact/manifest.ts';
import type { BlobEvent } from '../../domain/blob/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { Change, Projection } from '../../infra/database/projection.ts';

export interface BlobsDatabase {
  /** The bytes that are stored. */
  blobs: { digest: string; size: string; key: string };
  /** The repositories that hold each blob. */
  links: { repository: string; digest: string; touched_at: Date };
  /** Links that go unless a manifest needs them soon. */
  condemned: { repository: string; digest: string; condemnation: string; condemned_at: Date };
  /** What the manifests of a repository need, be it there or not. */
  needs: { repository: string; manifest: string; digest: string };
  /** When a manifest that needed it was deleted last; forgotten with the link. */
  released: { repository: string; digest: string; released_at: Date };
  /** Blobs whose bytes are known to be wrong. */
  damaged: { digest: string; key: string; fault: string; found_at: Date };
}

type Event = BlobEvent | ArtifactEvent;

/** The stored blobs, the repositories that each can be read in, and what keeps it there. */
export const blobs: Projection<Event> = {
  name: 'blobs',
  version: 4,
  handles: [
    'BlobStored',
    'BlobLinked',
    'BlobCondemned',
    'BlobReprieved',
    'BlobUnlinked',
    'BlobDeleted',
    'BlobDamaged',
    'ManifestPushed',
    'ManifestDeleted',
  ],

  async create(db) {
    const text = sql`text COLLATE "C"`;
    await db.schema
      .createTable('blobs')
      .addColumn('digest', text, (column) => column.primaryKey())
      .addColumn('size', 'bigint', (column) => column.notNull())
      .addColumn('key', 'text', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('links')
      .addColumn('repository', text, (column) => column.notNull())
      .addColumn('digest', text, (column) => column.notNull())
      .addColumn('touched_at', 'timestamptz', (column) => column.notNull())
      .addPrimaryKeyConstraint('links_key', ['repository', 'digest'])
      .execute();
    await db.schema.createIndex('links_digest').on('links').columns(['digest', 'repository']).execute();
    await db.schema
      .createTable('condemned')
      .addColumn('repository', text, (column) => column.notNull())
      .addColumn('digest', text, (column) => column.notNull())
      .addColumn('condemnation', 'text', (column) => column.notNull())
      .addColumn('condemned_at', 'timestamptz', (column) => column.notNull())
      .addPrimaryKeyConstraint('condemned_key', ['repository', 'digest'])
      .execute();
    await db.schema
      .createTable('needs')
      .addColumn('repository', text, (column) => column.notNull())
      .addColumn('manifest', text, (column) => column.notNull())
      .addColumn('digest', text, (column) => column.notNull())
      .addPrimaryKeyConstraint('needs_key', ['repository', 'manifest', 'digest'])
      .execute();
    await db.schema
      .createIndex('needs_digest')
      .on('needs')
      .columns(['repository', 'digest', 'manifest'])
      .execute();
    await db.schema
      .createTable('released')
      .addColumn('repository', text, (column) => column.notNull())
      .addColumn('digest', text, (column) => column.notNull())
      .addColumn('released_at', 'timestamptz', (column) => column.notNull())
      .addPrimaryKeyConstraint('released_key', ['repository', 'digest'])
      .execute();
    await db.schema
      .createTable('damaged')
      .addColumn('digest', text, (column) => column.primaryKey())
      .addColumn('key', 'text', (column) => column.notNull())
      .addColumn('fault', 'text', (column) => column.notNull())
      .addColumn('found_at', 'timestamptz', (column) => column.notNull())
      .execute();
  },

  async apply(tables, events) {
    const changed = changesBy(events);
    await tables.applyChanges('blobs', ['digest'], changed.blobs);
    await tables.applyChanges('links', ['repository', 'digest'], changed.links);
    await tables.applyChanges('condemned', ['repository', 'digest'], changed.condemned);
    await tables.applyChanges('damaged', ['digest'], changed.damaged);

    // A manifest's needs never change, so that its last event says whether they are there.
    const last = [...new Map(changed.manifests.map((event) => [manifestOf(event), event])).values()];
    await tables.remove(
      'needs',
      ['repository', 'manifest'],
      last.flatMap(({ type, data: { repository, digest } }) =>
        type === 'ManifestDeleted' ? [{ repository, manifest: digest }] : [],
      ),
    );
    await tables.write(
      'needs',
      ['repository', 'manifest', 'digest'],
      last.flatMap((event) => (event.type === 'ManifestPushed' ? needed(event.data) : [])),
    );
    await tables.applyChanges('released', ['repository', 'digest'], changed.released);
  },
};

type ManifestEvent = Extract<RecordedEvent<Event>, { type: 'ManifestPushed' | 'ManifestDeleted' }>;
type Pushed = Extract<ManifestEvent, { type: 'ManifestPushed' }>['data'];

const manifestOf = ({ data: { repository, digest } }: ManifestEvent): string => `${repository}@${digest}`;

function needed(manifest: Pushed) {
  const { blobs, manifests } = needsOf(manifest);
  const { repository, digest } = manifest;
  return [...new Set([...blobs, ...manifests])].map((need) => ({
    repository,
    manifest: digest,
    digest: need,
  }));
}

/** What the events do to each table, in their order. */
function changesBy(events: readonly RecordedEvent<Event>[]) {
  const blobs: Change[] = [];
  const links: Change[] = [];
  const condemned: Change[] = [];
  const damaged: Change[] = [];
  const released: Change[] = [];
  const manifests: ManifestEvent[] = [];
  for (const event of events) {
    switch (event.type) {
      case 'BlobStored': {
        const { digest, size, key } = event.data;
        blobs.push({ row: { digest, size, key } });
        damaged.push({ row: { digest }, removed: true });
        break;
      }
      case 'BlobLinked':
      case 'BlobReprieved': {
        const { repository, digest } = event.data;
        links.push({ row: { repository, digest, touched_at: event.recordedAt } });
        if (event.type === 'BlobReprieved') condemned.push({ row: { repository, digest }, removed: true });
        break;
      }
      case 'BlobCondemned':
        condemned.push({ row: { ...event.data, condemned_at: event.recordedAt } });
        break;
      case 'BlobUnlinked':
        links.push({ row: event.data, removed: true });
        condemned.push({ row: event.data, removed: true });
        released.push({ row: event.data, removed: true });
        break;
      case 'BlobDeleted': {
        const { digest } = event.data;
        blobs.push({ row: { digest }, removed: true });
        damaged.push({ row: { digest }, removed: true });
        break;
      }
      case 'BlobDamaged':
        damaged.push({ row: { ...event.data, found_at: event.recordedAt } });
        break;
      case 'ManifestPushed':
        manifests.push(event);
        break;
      case 'ManifestDeleted': {
        const { repository, blobs } = event.data;
        manifests.push(event);
        for (const digest of blobs)
          released.push({ row: { repository, digest, released_at: event.recordedAt } });
      }
    }
  }
  return { blobs, links, condemned, damaged, released, manifests };
}
