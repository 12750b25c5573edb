import { sql } from 'kysely';
import type { RecordedEvent } from '../../domain/event.ts';
import type { WebhookEvent } from '../../domain/webhook/events.ts';
import {
  type DeliveryEvent,
  type NotificationEvent,
  pingType,
  type RedeliveryEvent,
} from '../../domain/webhook-delivery/events.ts';
import type { ViewTables } from '../../infra/database/projection.ts';
import type { SkipReason } from './tables.ts';

/** What is asked for of a policy that is gone or disabled by then is not delivered. */
export async function addDeliveries(
  tables: ViewTables,
  events: readonly RecordedEvent<NotificationEvent>[],
): Promise<void> {
  if (events.length === 0) return;
  const positionOf = ({ data, position }: RecordedEvent<NotificationEvent>) =>
    data.sourcePosition ?? String(position);
  await tables.write(
    'notifications',
    ['source_id'],
    events.map((event) => ({
      source_id: event.data.sourceId,
      position: positionOf(event),
      event_type: event.data.eventType,
      project_id: event.data.projectId,
      project: event.data.project,
      repository: event.data.repository,
      occurred_at: event.data.occurredAt,
      told: event.data.told,
    })),
  );
  const told = events.filter(({ data }) => data.eventType !== pingType).map(positionOf);
  await tables.run(
    (own) => sql`
      INSERT INTO ${own.table('last_told')} AS l (single, position)
      SELECT true, max(position) FROM ${own.rows(
        told.map((position) => ({ position })),
        { position: 'bigint' },
      )} HAVING count(*) > 0
      ON CONFLICT (single) DO UPDATE SET position = greatest(l.position, excluded.position)`,
  );
  const rows = events.flatMap((event) =>
    event.data.deliveries.map(({ deliveryId, policyId, target }) => ({
      delivery_id: deliveryId,
      source_id: event.data.sourceId,
      position: positionOf(event),
      policy_id: policyId,
      target,
      event_type: event.data.eventType,
      at: event.recordedAt,
    })),
  );
  await tables.run(
    (own) => sql`
      INSERT INTO ${own.table('deliveries')} (delivery_id, source_id, position, policy_id, target, project_id,
        event_type, state, skip_reason, requested_at, round_at, round, attempts, earlier_attempts, updated_at)
      SELECT delivery_id, source_id, position, policy_id, target, project_id, event_type,
        CASE WHEN reason IS NULL THEN 'pending' ELSE 'skipped' END, reason, at, at, 1, 0, 0, at
      FROM (
        SELECT given.*, p.project_id, CASE WHEN p.policy_id IS NULL THEN 'policy-deleted' WHEN NOT p.enabled THEN 'policy-disabled'
          WHEN given.target >= p.targets THEN 'target-removed' END AS reason
        FROM ${own.rows(rows, {
          delivery_id: 'bigint',
          source_id: 'text',
          position: 'bigint',
          policy_id: 'integer',
          target: 'integer',
          event_type: 'text',
          at: 'timestamptz',
        })} LEFT JOIN ${own.table('policies')} p ON p.policy_id = given.policy_id
      ) asked
      ON CONFLICT DO NOTHING`,
  );
  const triggers = rows
    .filter(({ event_type }) => event_type !== pingType)
    .map(({ policy_id, event_type, at }) => ({ policy_id, event_type, triggered_at: at }));
  await tables.write('triggers', ['policy_id', 'event_type'], triggers);
}

/** One that was disabled tells what happens from now on. */
export const changePolicy = (
  tables: ViewTables,
  { position, data }: RecordedEvent<Extract<WebhookEvent, { type: 'WebhookPolicyChanged' }>>,
) =>
  tables.run(
    (own) => sql`
      UPDATE ${own.table('policies')} SET enabled = ${data.isEnabled}, targets = ${data.targets.length},
        since = CASE WHEN enabled THEN since ELSE ${String(position)}::bigint END
      WHERE policy_id = ${data.policyId}`,
  );

/** What came of attempts; of each delivery the last one says how it is. */
export async function takeOutcomes(
  tables: ViewTables,
  events: readonly RecordedEvent<DeliveryEvent>[],
): Promise<void> {
  if (events.length === 0) return;
  const last = new Map(events.map((event) => [event.data.deliveryId, event]));
  const rows = [...last.values()].map(({ type, data, recordedAt }) => ({
    delivery_id: data.deliveryId,
    round: data.round,
    attempts: data.attempt,
    state: type === 'WebhookDelivered' ? 'delivered' : type === 'WebhookDeliveryGivenUp' ? 'dead' : 'pending',
    status: data.status,
    error: type === 'WebhookDelivered' ? null : data.error,
    attempted_at: data.attemptedAt,
    duration_ms: data.durationMs,
    next_at: type === 'WebhookAttemptFailed' ? data.nextAt : null,
    at: recordedAt,
  }));
  // Who was held up may answer for a round that is over, or for what is not to be delivered any more.
  await tables.run(
    (own) => sql`
      UPDATE ${own.table('deliveries')} d SET
        attempts = given.attempts, status = given.status, error = given.error, attempted_at = given.attempted_at,
        duration_ms = given.duration_ms, updated_at = given.at,
        state = CASE WHEN d.state = 'pending' AND d.round = given.round THEN given.state ELSE d.state END,
        next_at = CASE WHEN d.state = 'pending' AND d.round = given.round THEN given.next_at ELSE d.next_at END
      FROM ${own.rows(rows, {
        delivery_id: 'bigint',
        round: 'integer',
        attempts: 'integer',
        state: 'text',
        status: 'integer',
        error: 'text',
        attempted_at: 'timestamptz',
        duration_ms: 'integer',
        next_at: 'timestamptz',
        at: 'timestamptz',
      })}
      WHERE d.delivery_id = given.delivery_id`,
  );
  await countInHours(tables, events);
}

async function countInHours(
  tables: ViewTables,
  events: readonly RecordedEvent<DeliveryEvent>[],
): Promise<void> {
  const hours = new Map<
    string,
    Record<'delivered' | 'failed' | 'given_up' | 'duration_ms', number> & object
  >();
  for (const { type, data, recordedAt } of events) {
    const { policyId: policy_id, target, durationMs } = data;
    const hour = `${recordedAt.toISOString().slice(0, 13)}:00:00Z`;
    const key = `${policy_id}/${target}/${hour}`;
    const none = { policy_id, target, hour, delivered: 0, failed: 0, given_up: 0, duration_ms: 0 };
    const counted = hours.get(key) ?? none;
    if (type === 'WebhookDelivered') {
      counted.delivered += 1;
      counted.duration_ms += durationMs;
    } else {
      counted.failed += 1;
      if (type === 'WebhookDeliveryGivenUp') counted.given_up += 1;
    }
    hours.set(key, counted);
  }
  await tables.run(
    (own) => sql`
      INSERT INTO ${own.table('hours')} AS h (policy_id, target, hour, delivered, failed, given_up, duration_ms)
      SELECT policy_id, target, hour, delivered, failed, given_up, duration_ms
      FROM ${own.rows([...hours.values()], {
        policy_id: 'integer',
        target: 'integer',
        hour: 'timestamptz',
        delivered: 'bigint',
        failed: 'bigint',
        given_up: 'bigint',
        duration_ms: 'bigint',
      })}
      ON CONFLICT (policy_id, target, hour) DO UPDATE SET delivered = h.delivered + excluded.delivered,
        failed = h.failed + excluded.failed, given_up = h.given_up + excluded.given_up,
        duration_ms = h.duration_ms + excluded.duration_ms`,
  );
}

/** Those that wait already wait on, and what nobody could be told any more stays as it is. */
export const redeliver = (tables: ViewTables, { data, recordedAt }: RecordedEvent<RedeliveryEvent>) =>
  tables.run(
    (own) => sql`
      UPDATE ${own.table('deliveries')} d SET state = 'pending', skip_reason = NULL, round = d.round + 1,
        round_at = ${recordedAt}, earlier_attempts = d.attempts, next_at = NULL, updated_at = ${recordedAt}
      FROM ${own.rows(
        data.deliveryIds.map((delivery_id) => ({ delivery_id })),
        { delivery_id: 'bigint' },
      )}, ${own.table('policies')} p
      WHERE d.delivery_id = given.delivery_id AND d.state <> 'pending'
        AND p.policy_id = d.policy_id AND p.enabled AND d.target < p.targets`,
  );

export interface Skipped {
  readonly policyId: number;
  readonly reason: SkipReason;
  readonly at: Date;
  /** From this one on; all without. */
  readonly fromTarget?: number;
  /** Of what happened before it; whenever it was without. */
  readonly before?: string;
}

/** What waits of a policy is not delivered. */
export const skip = (tables: ViewTables, { policyId, reason, at, fromTarget = 0, before }: Skipped) =>
  tables.run(
    (own) => sql`
      UPDATE ${own.table('deliveries')} SET state = 'skipped', skip_reason = ${reason}, next_at = NULL, updated_at = ${at}
      WHERE state = 'pending' AND policy_id = ${policyId} AND target >= ${fromTarget}
        AND ${before === undefined ? sql`true` : sql`position < ${before}::bigint`}`,
  );

export const skipOfProject = (tables: ViewTables, projectId: number, at: Date) =>
  tables.run(
    (own) => sql`
      UPDATE ${own.table('deliveries')} SET state = 'skipped', skip_reason = 'policy-deleted', next_at = NULL, updated_at = ${at}
      WHERE state = 'pending' AND policy_id IN (
        SELECT policy_id FROM ${own.table('policies')} WHERE project_id = ${projectId})`,
  );

/** What is over and was not touched from that time on, with what was told to nobody else, and what came of attempts by then. */
export async function sweep(tables: ViewTables, before: string): Promise<void> {
  await tables.run(
    (own) => sql`
      WITH gone AS (
        DELETE FROM ${own.table('deliveries')}
        WHERE state <> 'pending' AND updated_at < ${before}::timestamptz RETURNING source_id)
      DELETE FROM ${own.table('notifications')} n
      WHERE n.source_id IN (SELECT source_id FROM gone) AND NOT EXISTS (
        SELECT FROM ${own.table('deliveries')} d
        WHERE d.source_id = n.source_id AND (d.state = 'pending' OR d.updated_at >= ${before}::timestamptz))`,
  );
  await tables.run((own) => sql`DELETE FROM ${own.table('hours')} WHERE hour < ${before}::timestamptz`);
}
