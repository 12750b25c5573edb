import { sql } from 'kysely';
import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { LabelEvent } from '../../domain/label/events.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface LabelsDatabase {
  labels: {
    label_id: number;
    /** Null for a label of the system. */
    project_id: number | null;
    name: string;
    description: string;
    color: string;
    created_at: Date;
    updated_at: Date;
  };
  /** What each label is attached to; one that is attached while it is deleted stays here without a label. */
  attached: { repository: string; digest: string; label_id: number };
}

export type LabelsEvent =
  | LabelEvent
  | Extract<ArtifactEvent, { type: 'LabelAttached' | 'LabelDetached' | 'ManifestDeleted' }>
  | Extract<ProjectEvent, { type: 'ProjectDeleted' }>;

/** The labels, and the manifests that have them. */
export const labels: Projection<LabelsEvent> = {
  name: 'labels',
  version: 1,
  handles: [
    'LabelCreated',
    'LabelChanged',
    'LabelDeleted',
    'LabelAttached',
    'LabelDetached',
    'ManifestDeleted',
    'ProjectDeleted',
  ],

  async create(db) {
    const text = sql`text COLLATE "C"`;
    await db.schema
      .createTable('labels')
      .addColumn('label_id', 'integer', (column) => column.primaryKey())
      .addColumn('project_id', 'integer')
      .addColumn('name', text, (column) => column.notNull())
      .addColumn('description', 'text', (column) => column.notNull())
      .addColumn('color', 'text', (column) => column.notNull())
      .addColumn('created_at', 'timestamptz', (column) => column.notNull())
      .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
      .execute();
    await db.schema
      .createIndex('labels_by_project')
      .on('labels')
      .columns(['project_id', 'name', 'label_id'])
      .execute();
    await db.schema
      .createTable('attached')
      .addColumn('repository', text, (column) => column.notNull())
      .addColumn('digest', text, (column) => column.notNull())
      .addColumn('label_id', 'integer', (column) => column.notNull())
      .addPrimaryKeyConstraint('attached_key', ['repository', 'digest', 'label_id'])
      .execute();
    await db.schema
      .createIndex('attached_by_label')
      .on('attached')
      .columns(['label_id', 'repository', 'digest'])
      .execute();
  },

  apply: (tables, events) => takeSteps(tables, events, stepsOf),
};

function stepsOf(event: RecordedEvent<LabelsEvent>): readonly Step[] {
  switch (event.type) {
    case 'LabelCreated': {
      const { labelId, projectId, name, description, color } = event.data;
      const row = {
        label_id: labelId,
        project_id: projectId,
        name,
        description,
        color,
        created_at: event.recordedAt,
        updated_at: event.recordedAt,
      };
      return [{ by: 'write', table: 'labels', key: ['label_id'], row }];
    }
    case 'LabelChanged': {
      const { labelId, name, description, color } = event.data;
      const row = { label_id: labelId, name, description, color, updated_at: event.recordedAt };
      return [{ by: 'update', table: 'labels', key: ['label_id'], row }];
    }
    case 'LabelDeleted': {
      const row = { label_id: event.data.labelId };
      return [
        { by: 'remove', table: 'labels', key: ['label_id'], row },
        { by: 'remove', table: 'attached', key: ['label_id'], row, spans: true },
      ];
    }
    case 'LabelAttached':
    case 'LabelDetached': {
      const { repository, digest, labelId } = event.data;
      const by = event.type === 'LabelAttached' ? 'write' : 'remove';
      const row = { repository, digest, label_id: labelId };
      return [{ by, table: 'attached', key: ['repository', 'digest', 'label_id'], row }];
    }
    case 'ManifestDeleted': {
      const { repository, digest } = event.data;
      return [
        { by: 'remove', table: 'attached', key: ['repository', 'digest'], row: { repository, digest } },
      ];
    }
    case 'ProjectDeleted': {
      const row = { project_id: event.data.projectId };
      return [{ by: 'remove', table: 'labels', key: ['project_id'], row, spans: true }];
    }
  }
}
