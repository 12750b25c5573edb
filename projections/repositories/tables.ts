import { type Kysely, sql } from 'kysely';
import type { ViewDatabase } from '../../infra/database/projection.ts';

/** How an artifact is listed. */
export type ArtifactState =
  /** As one with a tag. */
  | 'tagged'
  /** As one without a tag, that no index names. */
  | 'untagged'
  /** Only as a part of an index. */
  | 'child'
  /** Only under its subject. */
  | 'accessory';

export interface RepositoriesDatabase {
  repositories: {
    name: string;
    project: string;
    /** The position of the first push since the repository exists. */
    id: string;
    description: string;
    /** Artifacts that are listed. */
    artifact_count: string;
    tag_count: string;
    created_at: Date;
    updated_at: Date;
  };
  project_totals: { name: string; project_id: number; public: boolean; repository_count: string };
  listed_artifacts: {
    /** The position of its push. */
    id: string;
    repository: string;
    digest: string;
    project: string;
    manifest_media_type: string;
    type: string;
    media_type: string;
    artifact_type: string;
    /** A hash of the three above. */
    kind: string;
    /** Bytes of all that it takes to pull it; null for an index, which is as large as its children. */
    size: string | null;
    /** JSON. */
    annotations: string;
    /** JSON. */
    attributes: string;
    pushed_at: Date;
    /** Whether it has the form of a signature that a tag can tie to its subject. */
    signing: boolean;
    /** What it is to its subject. */
    accessory: string | null;
    /** What it is an accessory of, be it there or not. */
    subject: string | null;
    tag_count: string;
    state: ArtifactState;
  };
  listed_tags: {
    repository: string;
    tag: string;
    digest: string;
    /** The position of the event that assigned it. */
    id: string;
    /** When it came to point where it does. */
    pushed_at: Date;
    /** Who made it point there, as events name him. */
    pushed_by: string;
    /** What sorts its versions as people do. */
    natural: string;
    /** How often it has moved since it was assigned. */
    moves: number;
  };
  /** What the indexes name, be it there or not. */
  listed_children: {
    repository: string;
    parent: string;
    place: number;
    digest: string;
    /** JSON of the platform, the annotations and the URLs. */
    notes: string;
  };
  /** Manifests that had a tag by which cosign ties a signature to its subject. */
  signatures: { repository: string; digest: string; subject: string };
  /** How many artifacts of each kind a repository has in each state. */
  totals: {
    repository: string;
    kind: string;
    state: ArtifactState;
    type: string;
    media_type: string;
    artifact_type: string;
    count: string;
  };
}

/** The tables that hold what repositories hold, with the column that has the repository's name. */
export const tablesOfRepositories = {
  repositories: 'name',
  listed_artifacts: 'repository',
  listed_tags: 'repository',
  listed_children: 'repository',
  signatures: 'repository',
  totals: 'repository',
} as const;

/** The rows of a table, for a statement in SQL; it needs a name there. */
export const rowsIn = (db: Kysely<RepositoriesDatabase>, table: keyof RepositoriesDatabase) =>
  db.selectFrom(table).selectAll();

/** A condition that the partial indexes name as well. */
export const isListed = sql<boolean>`state IN ('tagged', 'untagged')`;

const text = sql`text COLLATE "C"`;

export async function createTables(db: ViewDatabase): Promise<void> {
  await createRepositories(db);
  await createArtifacts(db);
  await createTags(db);
  await db.schema
    .createTable('listed_children')
    .addColumn('repository', text, (column) => column.notNull())
    .addColumn('parent', text, (column) => column.notNull())
    .addColumn('place', 'integer', (column) => column.notNull())
    .addColumn('digest', text, (column) => column.notNull())
    .addColumn('notes', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('listed_children_key', ['repository', 'parent', 'place'])
    .execute();
  await db.schema
    .createIndex('listed_children_digest')
    .on('listed_children')
    .columns(['repository', 'digest'])
    .execute();
  await db.schema
    .createTable('signatures')
    .addColumn('repository', text, (column) => column.notNull())
    .addColumn('digest', text, (column) => column.notNull())
    .addColumn('subject', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('signatures_key', ['repository', 'digest'])
    .execute();
  await db.schema
    .createTable('totals')
    .addColumn('repository', text, (column) => column.notNull())
    .addColumn('kind', 'bigint', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('media_type', 'text', (column) => column.notNull())
    .addColumn('artifact_type', 'text', (column) => column.notNull())
    .addColumn('count', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('totals_key', ['repository', 'kind', 'state'])
    .execute();
}

async function createRepositories(db: ViewDatabase): Promise<void> {
  await db.schema
    .createTable('repositories')
    .addColumn('name', text, (column) => column.primaryKey())
    .addColumn('project', text, (column) => column.notNull())
    .addColumn('id', 'bigint', (column) => column.notNull())
    .addColumn('description', 'text', (column) => column.notNull())
    .addColumn('artifact_count', 'bigint', (column) => column.notNull())
    .addColumn('tag_count', 'bigint', (column) => column.notNull())
    .addColumn('created_at', 'timestamptz', (column) => column.notNull())
    .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex('repositories_of_project')
    .on('repositories')
    .columns(['project', 'created_at', 'id'])
    .execute();
  await db.schema
    .createIndex('repositories_created')
    .on('repositories')
    .columns(['created_at', 'id'])
    .execute();
  await db.schema
    .createTable('project_totals')
    .addColumn('name', text, (column) => column.primaryKey())
    .addColumn('project_id', 'integer', (column) => column.notNull())
    .addColumn('public', 'boolean', (column) => column.notNull())
    .addColumn('repository_count', 'bigint', (column) => column.notNull())
    .execute();
}

async function createArtifacts(db: ViewDatabase): Promise<void> {
  await db.schema
    .createTable('listed_artifacts')
    .addColumn('id', 'bigint', (column) => column.primaryKey())
    .addColumn('repository', text, (column) => column.notNull())
    .addColumn('digest', text, (column) => column.notNull())
    .addColumn('project', text, (column) => column.notNull())
    .addColumn('manifest_media_type', 'text', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('media_type', 'text', (column) => column.notNull())
    .addColumn('artifact_type', 'text', (column) => column.notNull())
    .addColumn('kind', 'bigint', (column) => column.notNull())
    .addColumn('size', 'bigint')
    .addColumn('annotations', 'text', (column) => column.notNull())
    .addColumn('attributes', 'text', (column) => column.notNull())
    .addColumn('pushed_at', 'timestamptz', (column) => column.notNull())
    .addColumn('signing', 'boolean', (column) => column.notNull())
    .addColumn('accessory', 'text')
    .addColumn('subject', text)
    .addColumn('tag_count', 'bigint', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addUniqueConstraint('listed_artifacts_name', ['repository', 'digest'])
    .execute();
  const list = (name: string, columns: readonly string[], where = isListed) =>
    db.schema
      .createIndex(name)
      .on('listed_artifacts')
      .columns([...columns])
      .where(where)
      .execute();
  await list('listed_artifacts_of_repository', ['repository', 'pushed_at', 'id']);
  await list('listed_artifacts_of_project', ['project', 'pushed_at', 'id']);
  // A page of some kinds is merged from these, so that no filter on a kind reads what it does not show.
  await list(
    'listed_artifacts_of_kind',
    ['repository', 'kind', 'state', 'pushed_at', 'id'],
    sql<boolean>`state IN ('tagged', 'untagged', 'child')`,
  );
  await list('listed_artifacts_subject', ['repository', 'subject'], sql<boolean>`subject IS NOT NULL`);
}

async function createTags(db: ViewDatabase): Promise<void> {
  await db.schema
    .createTable('listed_tags')
    .addColumn('repository', text, (column) => column.notNull())
    .addColumn('tag', text, (column) => column.notNull())
    .addColumn('digest', text, (column) => column.notNull())
    .addColumn('id', 'bigint', (column) => column.notNull())
    .addColumn('pushed_at', 'timestamptz', (column) => column.notNull())
    .addColumn('pushed_by', 'text', (column) => column.notNull())
    .addColumn('natural', text, (column) => column.notNull())
    .addColumn('moves', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('listed_tags_key', ['repository', 'tag'])
    .execute();
  for (const column of ['natural', 'pushed_at'])
    await db.schema
      .createIndex(`listed_tags_${column}`)
      .on('listed_tags')
      .columns(['repository', column, 'tag'])
      .execute();
  // For who knows the tag and not the repository.
  await db.schema.createIndex('listed_tags_name').on('listed_tags').column('tag').execute();
  await db.schema
    .createIndex('listed_tags_of_artifact')
    .on('listed_tags')
    .columns(['repository', 'digest', 'pushed_at', 'id'])
    .execute();
}
