import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { recorder } from '../../commands/record.ts';
import { catalogue, currentVersion } from '../../domain/catalogue.ts';
import type { DomainEvent } from '../../domain/event.ts';
import { aloneIn } from '../../infra/database/alone.ts';
import { viewOf } from '../../infra/database/projection.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { verifyViews } from '../../infra/views/rebuild.ts';
import {
  type WebhookDeliveriesDatabase,
  webhookDeliveries,
} from '../../projections/webhook-deliveries/projection.ts';
import { findDelivery } from '../../projections/webhook-deliveries/queries.ts';
import { lastToldPosition } from '../../projections/webhook-deliveries/queues.ts';
import { sweepSlice } from '../../projections/webhook-deliveries/sweep-slice.ts';
import { sweepWebhookDeliveries } from '../../workers/sweep-webhook-deliveries.ts';
import { rowsAfter, rowsOf } from './views-rows.ts';
import { run, startSetting } from './views-setting.ts';

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
/** Of what has happened by the time that it is recorded. */
const sweptNow = (): DomainEvent => ({
  type: 'WebhookDeliveriesSwept',
  get data() {
    return { before: new Date().toISOString() };
  },
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

test('webhook deliveries: what is over is swept, with what was told to nobody else; what waits stays', async (t) => {
  const setting = await startSetting(t);
  const { deliveries, notifications, hours, last_told } = await rowsAfter(setting, webhookDeliveries, [
    policy('WebhookPolicyCreated', 1, 7),
    requested(10, [1, 1], [2, 1]),
    requested(11, [3, 1]),
    requested(12, [4, 1]),
    requested(13, [5, 1]),
    attempted('WebhookDelivered', 1, 1, 1),
    attempted('WebhookDelivered', 3, 1, 1),
    attempted('WebhookDeliveryGivenUp', 4, 1, 1),
    attempted('WebhookDeliveryGivenUp', 5, 1, 1),
    again(4),
    sweptNow(),
    // Of those that are gone by then.
    again(1, 3, 5),
    attempted('WebhookDelivered', 3, 1, 2),
    attempted('WebhookDelivered', 2, 1, 1),
    tried(6, 1),
  ]);
  assert.deepEqual(
    deliveries
      ?.map((row) => [Number(row.delivery_id), row.state])
      .toSorted((one, other) => Number(one[0]) - Number(other[0])),
    [
      [2, 'delivered'],
      [4, 'pending'],
      [6, 'pending'],
    ],
  );
  assert.deepEqual(notifications?.map((row) => row.source_id).toSorted(), ['ping', 'source-10', 'source-12']);
  const sums = (key: string) => hours?.reduce((sum, row) => sum + Number(row[key]), 0);
  assert.deepEqual([sums('delivered'), sums('failed')], [2, 0], 'of what came after it');
  assert.deepEqual(last_told, [{ single: true, position: 13n }]);
});

test('old deliveries are swept in bounded steps by one of all processes, and what is young or waits stays', async (t) => {
  const setting = await startSetting(t);
  const views = await run(setting, { projections: [webhookDeliveries], catalogue });
  const db = viewOf<WebhookDeliveriesDatabase>(views.database.kysely, webhookDeliveries);
  const append = (...events: DomainEvent[]) =>
    setting.log.append(
      'history/webhooks',
      'any',
      events.map(({ type, data }) => ({
        ...{ id: newEventId(), type, data, version: currentVersion(catalogue, type) },
        metadata: { actor: 'system' },
      })),
    );
  let ids = 0;
  // Of a policy that there is not, which nobody is told of.
  const skipped = (position: number) =>
    requested(position, ...Array.from({ length: 500 }, () => [++ids, 2] as const));
  await append(policy('WebhookPolicyCreated', 1, 7), requested(1, [100_000, 1]));
  for (let position = 2; position < 24; position += 1) await append(skipped(position));
  const firstYoung = ids + 1;
  await sleep(5);
  await append(skipped(24), skipped(25));
  await views.caughtUp();
  const young = await findDelivery(db, firstYoung);
  assert.ok(young);

  const keptMs = 90 * 24 * 3_600_000;
  const alone = aloneIn(views.database, 'sweep-webhook-deliveries');
  const sweeping = (now: Date) =>
    sweepWebhookDeliveries({
      record: recorder({ log: setting.log, catalogue, newEventId }),
      sweepSlice: (before, limit) => sweepSlice(db, before, limit),
      alone,
      reached: (position) => views.reached(position, [webhookDeliveries]),
      ...{ keptMs, now: () => now },
    })(new AbortController().signal);
  const sweptTimes = async (now: Date) => {
    const from = await setting.log.head();
    await Promise.all([sweeping(now), sweeping(now)]);
    let times = 0;
    for await (const batch of setting.log.readAll(from))
      times += batch.filter(({ type }) => type === 'WebhookDeliveriesSwept').length;
    return times;
  };
  const left = async () => (await rowsOf(views.database, webhookDeliveries)).deliveries?.length;
  const past = (at: Date) => new Date(at.getTime() + keptMs);

  assert.equal(await sweptTimes(new Date()), 0, 'nothing is recorded where nothing is old');
  assert.equal(await left(), 12_001);
  await alone(async () => assert.equal(await sweptTimes(past(young.updatedAt)), 0, 'another one sweeps'));
  assert.equal(await sweptTimes(past(young.updatedAt)), 3, '11,000 rows, of which 5,000 go at once');
  assert.equal(await left(), 1001);
  assert.equal(await findDelivery(db, 1), undefined);
  assert.equal(await sweptTimes(past(new Date())), 1);
  assert.equal(await left(), 1, 'what waits');
  assert.equal(await sweptTimes(past(new Date())), 0);
  assert.equal((await rowsOf(views.database, webhookDeliveries)).notifications?.length, 1);
  assert.equal(await lastToldPosition(db), 25n, 'though its deliveries are gone');

  await views.close();
  const [verified] = await verifyViews({
    ...{ log: setting.log, database: views.database, catalogue, projections: [webhookDeliveries] },
    onProgress: () => undefined,
  });
  assert.equal(verified?.difference, null);
});
