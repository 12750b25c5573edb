import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DomainEvent } from '../../domain/event.ts';
import { viewOf } from '../../infra/database/projection.ts';
import {
  type WebhookDeliveriesDatabase,
  webhookDeliveries,
} from '../../projections/webhook-deliveries/projection.ts';
import { lastToldPosition } from '../../projections/webhook-deliveries/queues.ts';
import { rowsAfter } from './views-rows.ts';
import { startSetting } from './views-setting.ts';

const targets = (count: number) =>
  Array.from({ length: count }, () => ({
    ...{ type: 'http', sealed: '', skipCertVerify: false, payloadFormat: 'Default' },
  }));
const policy = (
  type: string,
  policyId: number,
  projectId: number | null,
  count = 1,
  isEnabled = true,
): DomainEvent => ({
  type,
  data: {
    ...{ policyId, projectId, project: projectId && `project-${projectId}`, name: `policy-${policyId}` },
    ...(type !== 'WebhookPolicyDeleted' && {
      ...{ description: '', targets: targets(count), eventTypes: ['PUSH_ARTIFACT'], isEnabled },
      filters: { repositories: null, tags: null },
    }),
  },
});
const requested = (position: number, ...deliveries: (readonly [number, number, number?])[]): DomainEvent => ({
  type: 'WebhookDeliveriesRequested',
  data: {
    ...{ sourceId: `source-${position}`, sourcePosition: String(position), eventType: 'PUSH_ARTIFACT' },
    ...{
      occurredAt: '2026-11-28T12:00:00.000Z',
      projectId: 7,
      project: 'project-7',
      repository: 'project-7/app',
    },
    told: {},
    deliveries: deliveries.map(([deliveryId, policyId, target = 0]) => ({ deliveryId, policyId, target })),
  },
});
/** What a policy is tried with, whose place is that of its own event. */
const tried = (deliveryId: number, policyId: number): DomainEvent => {
  const { data, type } = requested(0, [deliveryId, policyId]);
  return { type, data: { ...data, sourceId: 'ping', sourcePosition: null, eventType: 'PING' } };
};
const attempted = (
  type: string,
  deliveryId: number,
  policyId: number,
  attempt: number,
  round = 1,
): DomainEvent => ({
  type,
  data: {
    ...{ deliveryId, policyId, target: 0, round, attempt },
    ...{
      attemptedAt: '2026-11-28T12:00:01.000Z',
      durationMs: 10,
      status: type === 'WebhookDelivered' ? 200 : 500,
    },
    ...(type !== 'WebhookDelivered' && { error: 'status' }),
    ...(type === 'WebhookAttemptFailed' && { nextAt: '2026-11-28T12:00:06.000Z' }),
  },
});
const again = (...deliveryIds: number[]): DomainEvent => ({
  type: 'WebhookRedeliveryRequested',
  data: { deliveryIds },
});
const paused = (policyId: number, target: number | null): DomainEvent => ({
  type: 'WebhookPolicyPaused',
  data: { policyId, projectId: 7, name: 'ci', target, reason: 'a move' },
});
const resumed = (policyId: number, from: string | null): DomainEvent => ({
  type: 'WebhookPolicyResumed',
  data: { policyId, projectId: 7, name: 'ci', from },
});

test('webhook deliveries: as they were asked for, tried, skipped and asked for again', async (t) => {
  const setting = await startSetting(t);
  const { deliveries, pauses, policies, hours, notifications, triggers } = await rowsAfter(
    setting,
    webhookDeliveries,
    [
      policy('WebhookPolicyCreated', 1, 7, 2),
      policy('WebhookPolicyCreated', 2, null),
      policy('WebhookPolicyCreated', 3, 7),
      policy('WebhookPolicyCreated', 4, 7),
      policy('WebhookPolicyCreated', 5, 8),
      requested(10, [1, 1], [2, 1, 1], [3, 2], [4, 3], [5, 4], [6, 5]),
      attempted('WebhookDelivered', 1, 1, 1),
      attempted('WebhookAttemptFailed', 3, 2, 1),
      attempted('WebhookDeliveryGivenUp', 3, 2, 2),
      // One target less: what waits for the other goes.
      policy('WebhookPolicyChanged', 1, 7, 1),
      policy('WebhookPolicyChanged', 3, 7, 1, false),
      policy('WebhookPolicyDeleted', 4, 7),
      { type: 'ProjectDeleted', data: { name: 'project-8', projectId: 8 } },
      // Who asks had not seen that yet.
      requested(11, [7, 3], [8, 4], [9, 1]),
      // Delivered again, the answer of an earlier round comes late.
      again(1, 3, 5, 9),
      attempted('WebhookDelivered', 1, 1, 2, 1),
      attempted('WebhookAttemptFailed', 3, 2, 3, 2),
      paused(1, null),
      paused(2, 0),
      resumed(1, '11'),
      requested(12, [10, 1]),
      tried(11, 1),
      paused(1, 0),
    ],
  );
  assert.deepEqual(
    deliveries
      ?.toSorted((one, other) => Number(one.delivery_id) - Number(other.delivery_id))
      .map((row) => [
        ...[
          Number(row.delivery_id),
          row.state,
          row.skip_reason,
          row.round,
          row.attempts,
          row.earlier_attempts,
        ],
        row.project_id,
      ]),
    [
      [1, 'skipped', 'skipped-on-resume', 2, 2, 1, 7],
      [2, 'skipped', 'target-removed', 1, 0, 0, 7],
      [3, 'pending', null, 2, 3, 2, null],
      [4, 'skipped', 'policy-disabled', 1, 0, 0, 7],
      [5, 'skipped', 'policy-deleted', 1, 0, 0, 7],
      [6, 'skipped', 'policy-deleted', 1, 0, 0, 8],
      [7, 'skipped', 'policy-disabled', 1, 0, 0, 7],
      [8, 'skipped', 'policy-deleted', 1, 0, 0, null],
      [9, 'pending', null, 1, 0, 0, 7],
      [10, 'pending', null, 1, 0, 0, 7],
      [11, 'pending', null, 1, 0, 0, 7],
    ],
  );
  assert.deepEqual(
    pauses?.map(({ policy_id, target }) => [policy_id, target]),
    [
      [1, 0],
      [2, 0],
    ],
  );
  assert.deepEqual(
    policies?.map(({ policy_id, enabled, targets: count }) => [policy_id, enabled, count]),
    [
      [1, true, 1],
      [2, true, 1],
      [3, false, 1],
    ],
  );
  assert.equal(notifications?.length, 4);
  const { kysely } = await setting.connect();
  const told = await lastToldPosition(viewOf<WebhookDeliveriesDatabase>(kysely, webhookDeliveries));
  assert.equal(
    told,
    12n,
    'what a policy is tried with is behind all that, and says nothing of what was told',
  );
  const sums = (key: string) => hours?.reduce((sum, row) => sum + Number(row[key]), 0);
  assert.deepEqual([sums('delivered'), sums('failed'), sums('given_up'), sums('duration_ms')], [2, 3, 1, 20]);
  assert.deepEqual(
    triggers?.map(({ policy_id }) => policy_id),
    [1, 2, 3, 4, 5],
  );
});
