import { type Kysely, sql } from 'kysely';
import type { AttemptError, ToldType } from '../../domain/webhook-delivery/events.ts';
import type { ViewDatabase } from '../../infra/database/projection.ts';

export const deliveryStates = ['pending', 'delivered', 'dead', 'skipped'] as const;
export type DeliveryState = (typeof deliveryStates)[number];

/** Why something is not delivered. */
export const skipReasons = [
  'policy-deleted',
  'policy-disabled',
  'target-removed',
  'skipped-on-resume',
] as const;
export type SkipReason = (typeof skipReasons)[number];

export interface WebhookDeliveriesDatabase {
  /** What is told, once for all who are told it. */
  notifications: {
    source_id: string;
    /** That of the source, by which deliveries are in order. */
    position: string;
    event_type: ToldType;
    project_id: number | null;
    project: string;
    repository: string | null;
    occurred_at: Date;
    told: Readonly<Record<string, unknown>>;
  };
  deliveries: {
    delivery_id: string;
    source_id: string;
    position: string;
    policy_id: number;
    target: number;
    /** That of the policy, whose deliveries are no business of other projects; null where it is of none, or was gone. */
    project_id: number | null;
    event_type: ToldType;
    state: DeliveryState;
    skip_reason: SkipReason | null;
    requested_at: Date;
    /** When it was last asked for, the first time included. */
    round_at: Date;
    round: number;
    /** In all rounds, and in those before the present one. */
    attempts: number;
    earlier_attempts: number;
    status: number | null;
    error: AttemptError | null;
    attempted_at: Date | null;
    duration_ms: number | null;
    /** Null for at once. */
    next_at: Date | null;
    updated_at: Date;
  };
  /** In one row: that of the last thing that happened and was told to anybody, which outlives the deliveries. */
  last_told: { single: boolean; position: string };
  /** The policies that there are. */
  policies: {
    policy_id: number;
    project_id: number | null;
    enabled: boolean;
    /** The position from which on it tells what happens. */
    since: string;
    targets: number;
  };
  /** What is paused; `target` is -1 for all of a policy. */
  pauses: { policy_id: number; target: number; reason: string; paused_at: Date };
  /** What came of attempts in each hour. */
  hours: {
    policy_id: number;
    target: number;
    hour: Date;
    delivered: string;
    failed: string;
    given_up: string;
    /** Of those that were delivered, together. */
    duration_ms: string;
  };
  /** When each policy last told of each type. */
  triggers: { policy_id: number; event_type: string; triggered_at: Date };
}

export const everyTarget = -1;

/** The rows of a table, for a statement in SQL; it needs a name there. */
export const rowsIn = (db: Kysely<WebhookDeliveriesDatabase>, table: keyof WebhookDeliveriesDatabase) =>
  db.selectFrom(table).selectAll();

export async function createTables(db: ViewDatabase): Promise<void> {
  const name = sql`text COLLATE "C"`;
  await db.schema
    .createTable('notifications')
    .addColumn('source_id', name, (column) => column.primaryKey())
    .addColumn('position', 'bigint', (column) => column.notNull())
    .addColumn('event_type', name, (column) => column.notNull())
    .addColumn('project_id', 'integer')
    .addColumn('project', name, (column) => column.notNull())
    .addColumn('repository', name)
    .addColumn('occurred_at', 'timestamptz', (column) => column.notNull())
    .addColumn('told', 'jsonb', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('last_told')
    .addColumn('single', 'boolean', (column) => column.primaryKey())
    .addColumn('position', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('deliveries')
    .addColumn('delivery_id', 'bigint', (column) => column.primaryKey())
    .addColumn('source_id', name, (column) => column.notNull())
    .addColumn('position', 'bigint', (column) => column.notNull())
    .addColumn('policy_id', 'integer', (column) => column.notNull())
    .addColumn('target', 'integer', (column) => column.notNull())
    .addColumn('project_id', 'integer')
    .addColumn('event_type', name, (column) => column.notNull())
    .addColumn('state', name, (column) => column.notNull())
    .addColumn('skip_reason', name)
    .addColumn('requested_at', 'timestamptz', (column) => column.notNull())
    .addColumn('round_at', 'timestamptz', (column) => column.notNull())
    .addColumn('round', 'integer', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('earlier_attempts', 'integer', (column) => column.notNull())
    .addColumn('status', 'integer')
    .addColumn('error', name)
    .addColumn('attempted_at', 'timestamptz')
    .addColumn('duration_ms', 'integer')
    .addColumn('next_at', 'timestamptz')
    .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
    .execute();
  // The queues: each endpoint's in its order.
  await db.schema
    .createIndex('deliveries_pending')
    .on('deliveries')
    .columns(['policy_id', 'target', 'position', 'delivery_id'])
    .where(sql<boolean>`state = 'pending'`)
    .execute();
  await db.schema.createIndex('deliveries_by_source').on('deliveries').column('source_id').execute();
  await db.schema
    .createIndex('deliveries_over')
    .on('deliveries')
    .column('updated_at')
    .where(sql<boolean>`state <> 'pending'`)
    .execute();
  for (const column of ['policy_id', 'project_id', 'state'])
    await db.schema
      .createIndex(`deliveries_by_${column}`)
      .on('deliveries')
      .columns([column, 'delivery_id'])
      .execute();
  await db.schema
    .createTable('policies')
    .addColumn('policy_id', 'integer', (column) => column.primaryKey())
    .addColumn('project_id', 'integer')
    .addColumn('enabled', 'boolean', (column) => column.notNull())
    .addColumn('since', 'bigint', (column) => column.notNull())
    .addColumn('targets', 'integer', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('pauses')
    .addColumn('policy_id', 'integer', (column) => column.notNull())
    .addColumn('target', 'integer', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('paused_at', 'timestamptz', (column) => column.notNull())
    .addPrimaryKeyConstraint('pauses_key', ['policy_id', 'target'])
    .execute();
  await db.schema
    .createTable('hours')
    .addColumn('policy_id', 'integer', (column) => column.notNull())
    .addColumn('target', 'integer', (column) => column.notNull())
    .addColumn('hour', 'timestamptz', (column) => column.notNull())
    .addColumn('delivered', 'bigint', (column) => column.notNull())
    .addColumn('failed', 'bigint', (column) => column.notNull())
    .addColumn('given_up', 'bigint', (column) => column.notNull())
    .addColumn('duration_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('hours_key', ['policy_id', 'target', 'hour'])
    .execute();
  await db.schema.createIndex('hours_by_hour').on('hours').column('hour').execute();
  await db.schema
    .createTable('triggers')
    .addColumn('policy_id', 'integer', (column) => column.notNull())
    .addColumn('event_type', name, (column) => column.notNull())
    .addColumn('triggered_at', 'timestamptz', (column) => column.notNull())
    .addPrimaryKeyConstraint('triggers_key', ['policy_id', 'event_type'])
    .execute();
}
