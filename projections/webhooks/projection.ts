import { sql } from 'kysely';
import type { RecordedEvent } from '../../domain/event.ts';
import type { ExecutionEvent } from '../../domain/execution/events.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import type { Signing } from '../../domain/webhook/decider.ts';
import {
  type SealedTarget,
  type WebhookEvent,
  type WebhookEventType,
  type WebhookFilters,
  webhookEventTypes,
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
  /** When each policy last told of each type; those of a policy that is gone stay here without it. */
  triggers: { policy_id: number; event_type: string; triggered_at: Date };
}

export interface WebhookSigning extends Signing {
  /** ISO 8601 in UTC. */
  readonly changedAt: string;
}

type PolicyEvent = WebhookEvent | Extract<ProjectEvent, { type: 'ProjectDeleted' }>;
type StartedEvent = Extract<ExecutionEvent, { type: 'ExecutionStarted' }>;
export type WebhooksEvent = PolicyEvent | StartedEvent;

/** The policies by which what happens in a project is told, and when they last did so. */
export const webhooks: Projection<WebhooksEvent> = {
  name: 'webhooks',
  version: 2,
  handles: [
    'WebhookPolicyCreated',
    'WebhookPolicyChanged',
    'WebhookPolicyDeleted',
    'WebhookSecretChanged',
    'WebhookSecretRemoved',
    'ProjectDeleted',
    'ExecutionStarted',
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
    await db.schema
      .createTable('triggers')
      .addColumn('policy_id', 'integer', (column) => column.notNull())
      .addColumn('event_type', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('triggered_at', 'timestamptz', (column) => column.notNull())
      .addPrimaryKeyConstraint('triggers_key', ['policy_id', 'event_type'])
      .execute();
  },

  async apply(tables, events) {
    await takeSteps(tables, events.filter(isOfPolicy), stepsOf);
    // Executions have streams of their own, and only the last one of a policy and type says anything.
    const last = new Map(events.flatMap((event) => triggerIn(event)));
    if (last.size > 0) await tables.write('triggers', ['policy_id', 'event_type'], [...last.values()]);
  },
};

const isOfPolicy = (event: RecordedEvent<WebhooksEvent>): event is RecordedEvent<PolicyEvent> =>
  event.type !== 'ExecutionStarted';

const kinds: ReadonlySet<string> = new Set(['WEBHOOK', 'SLACK']);
const types: ReadonlySet<unknown> = new Set(webhookEventTypes);

function triggerIn({
  type,
  data,
  recordedAt,
}: RecordedEvent<WebhooksEvent>): readonly (readonly [string, WebhooksDatabase['triggers']])[] {
  if (type !== 'ExecutionStarted' || !kinds.has(data.kind)) return [];
  const { vendorId, parameters } = data;
  if (!types.has(parameters.event_type)) return [];
  const event_type = String(parameters.event_type);
  return [[`${vendorId}/${event_type}`, { policy_id: vendorId, event_type, triggered_at: recordedAt }]];
}

function stepsOf(event: RecordedEvent<PolicyEvent>): readonly Step[] {
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
