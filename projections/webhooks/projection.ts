import { sql } from 'kysely';
import type { RecordedEvent } from '../../domain/event.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import type { Signing } from '../../domain/webhook/decider.ts';
import type {
  SealedTarget,
  WebhookEvent,
  WebhookEventType,
  WebhookFilters,
} from '../../domain/webhook/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface WebhooksDatabase {
  policies: {
    policy_id: number;
    /** Null for a policy that is for every project. */
    project_id: number | null;
    name: string;
    description: string;
    targets: readonly SealedTarget[];
    event_types: readonly WebhookEventType[];
    enabled: boolean;
    filters: WebhookFilters;
    /** What it signs with; null where it does not. */
    signing: WebhookSigning | null;
    creator: string;
    created_at: Date;
    updated_at: Date;
  };
}

export interface WebhookSigning extends Signing {
  /** ISO 8601 in UTC. */
  readonly changedAt: string;
}

export type WebhooksEvent = WebhookEvent | Extract<ProjectEvent, { type: 'ProjectDeleted' }>;

/** The policies by which what happens is told. */
export const webhooks: Projection<WebhooksEvent> = {
  name: 'webhooks',
  version: 2,
  showsUserNames: true,
  handles: [
    'WebhookPolicyCreated',
    'WebhookPolicyChanged',
    'WebhookPolicyDeleted',
    'WebhookSecretChanged',
    'WebhookSecretRemoved',
    'ProjectDeleted',
  ],

  async create(db) {
    await db.schema
      .createTable('policies')
      .addColumn('policy_id', 'integer', (column) => column.primaryKey())
      .addColumn('project_id', 'integer')
      .addColumn('name', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('description', 'text', (column) => column.notNull())
      .addColumn('targets', 'jsonb', (column) => column.notNull())
      .addColumn('event_types', 'jsonb', (column) => column.notNull())
      .addColumn('enabled', 'boolean', (column) => column.notNull())
      .addColumn('filters', 'jsonb', (column) => column.notNull())
      .addColumn('signing', 'jsonb')
      .addColumn('creator', 'text', (column) => column.notNull())
      .addColumn('created_at', 'timestamptz', (column) => column.notNull())
      .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
      .execute();
    await db.schema
      .createIndex('policies_by_project')
      .on('policies')
      .columns(['project_id', 'policy_id'])
      .execute();
  },

  apply: (tables, events) => takeSteps(tables, events, stepsOf),
};

function stepsOf(event: RecordedEvent<WebhooksEvent>): readonly Step[] {
  switch (event.type) {
    case 'WebhookPolicyCreated': {
      // Who it was, as a name: that it was a user or a robot account stands before it.
      const creator = event.metadata.actor.replace(/^[a-z-]+:/, '');
      const row = {
        ...settingsOf(event),
        project_id: event.data.projectId,
        signing: null,
        creator,
        created_at: event.recordedAt,
      };
      return [{ by: 'write', table: 'policies', key: ['policy_id'], row }];
    }
    case 'WebhookPolicyChanged':
      return [{ by: 'update', table: 'policies', key: ['policy_id'], row: settingsOf(event) }];
    case 'WebhookPolicyDeleted':
      return [
        { by: 'remove', table: 'policies', key: ['policy_id'], row: { policy_id: event.data.policyId } },
      ];
    case 'WebhookSecretChanged': {
      const { policyId: policy_id, sealed, previous } = event.data;
      const signing: WebhookSigning = { sealed, previous, changedAt: event.recordedAt.toISOString() };
      return [{ by: 'update', table: 'policies', key: ['policy_id'], row: { policy_id, signing } }];
    }
    case 'WebhookSecretRemoved': {
      const row = { policy_id: event.data.policyId, signing: null };
      return [{ by: 'update', table: 'policies', key: ['policy_id'], row }];
    }
    case 'ProjectDeleted': {
      const row = { project_id: event.data.projectId };
      return [{ by: 'remove', table: 'policies', key: ['project_id'], row, spans: true }];
    }
  }
}

const settingsOf = ({
  data: { policyId, name, description, targets, eventTypes, isEnabled, filters },
  recordedAt,
}: RecordedEvent<Extract<WebhookEvent, { type: 'WebhookPolicyCreated' | 'WebhookPolicyChanged' }>>) => ({
  policy_id: policyId,
  name,
  description,
  targets,
  event_types: eventTypes,
  enabled: isEnabled,
  filters,
  updated_at: recordedAt,
});
