import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noFilters } from '../domain/webhook/events.ts';
import type { DeliveryEvent } from '../domain/webhook-delivery/events.ts';
import { storedTold } from '../domain/webhook-delivery/told.ts';
import type { DueDelivery, Endpoint } from '../projections/webhook-deliveries/queues.ts';
import { attemptDelivery } from '../workers/attempt-delivery.ts';
import { type Attempted, type DeliverWebhooksPorts, keepDelivering } from '../workers/deliver-webhooks.ts';
import { until } from './until.ts';

const long = new Date(0);
const waiting = (policyId: number, more: Partial<DueDelivery> = {}): DueDelivery => ({
  ...{ policyId, target: 0, deliveryId: policyId, isPaused: false, nextAt: undefined, requestedAt: long },
  ...{ sourceId: `source-${policyId}`, round: 1, attempts: 0, tried: 0 },
  told: {},
  ...more,
});
const delivered: Attempted = { outcome: 'WebhookDelivered', position: 1n, restMs: 0 };

/** Delivers what waits until the test ends; what is `delivered` waits no more. */
function startDelivering(
  queues: readonly DueDelivery[],
  attempt: (delivery: DueDelivery, over: AbortSignal) => Promise<Attempted | undefined>,
  more: Partial<DeliverWebhooksPorts> = {},
) {
  const left = new Map(queues.map((delivery) => [delivery.policyId, delivery]));
  const attempts: number[] = [];
  return {
    attempts,
    delivering: keepDelivering({
      queueHeads: async ({ policyId: after }: Endpoint) =>
        [...left.values()].filter(({ policyId }) => policyId > after),
      headOf: async ({ policyId }) => left.get(policyId),
      unseen: async () => undefined,
      async attempt(delivery, over) {
        attempts.push(delivery.policyId);
        const attempted = await attempt(delivery, over);
        if (attempted?.position !== undefined) left.delete(delivery.policyId);
        return attempted;
      },
      reached: async () => undefined,
      withLocks: (work) =>
        work({ take: async () => true, release: async () => undefined }, new AbortController().signal),
      onWake: async () => ({ close: async () => undefined }),
      onFailure: (error) => assert.fail(String(error)),
      now: () => new Date(),
      concurrency: 4,
      perSecond: 1000,
      ...more,
    }),
  };
}

test('targets that are silent again and again leave places for those that are not', async (t) => {
  const answers = Promise.withResolvers<Attempted>();
  const silent = [1, 2, 3, 4, 5, 6].map((policyId) =>
    waiting(policyId, { nextAt: long, tried: 1, attempts: 1 }),
  );
  const { delivering, attempts } = startDelivering([...silent, waiting(7), waiting(8)], ({ policyId }) =>
    policyId <= 6 ? answers.promise : Promise.resolve(delivered),
  );
  t.after(() => delivering.stop());
  t.after(() => answers.resolve(delivered));
  await until('the others are told', () => [7, 8].every((policyId) => attempts.includes(policyId)));
  assert.equal(attempts.filter((policyId) => policyId <= 6).length, 2);
  answers.resolve(delivered);
  await until('the silent ones have their turn', () => new Set(attempts).size === 8);
});

test('who finds that another process has recorded the attempt lets go of the target for a while', async (t) => {
  let released = 0;
  const rival: Attempted = { ...delivered, position: undefined };
  const { delivering, attempts } = startDelivering([waiting(1)], async () => rival, {
    withLocks: (work) =>
      work(
        {
          take: async () => true,
          async release() {
            released += 1;
          },
        },
        new AbortController().signal,
      ),
  });
  t.after(() => delivering.stop());
  await until('it was tried', () => released === 1);
  assert.deepEqual(attempts, [1]);
});

test('what cannot be signed, since its secret is sealed with a key that is gone, fails as an attempt and is seen', async () => {
  const recorded: DeliveryEvent[] = [];
  const target = { type: 'http', skipCertVerify: false, payloadFormat: 'Default' } as const;
  const attempt = attemptDelivery({
    personKey: async (name) => name,
    sender: { send: () => assert.fail('nothing is sent') },
    findPolicy: async (policyId) => ({
      ...{ policyId, projectId: 7, name: 'ci', description: '', creator: 'jane', isEnabled: true },
      ...{ targets: [{ ...target, sealed: '' }], eventTypes: [], filters: noFilters },
      ...{ signing: { sealed: '', previous: [], changedAt: '' }, createdAt: long, updatedAt: long },
    }),
    openTarget: () => ({ ...target, address: 'http://ci.example.com', authHeader: '' }),
    signedHeaders: () => undefined,
    attempts: { write: () => assert.fail('nothing was sent') },
    async record(event) {
      recorded.push(event);
      return 1n;
    },
    pause: () => assert.fail('it is not gone'),
    patience: { firstPauseMs: 5000, retryMs: 1000, maxRetries: undefined },
    ...{
      timeoutMs: 1000,
      userAgent: 'shiplog',
      onOutcome: () => undefined,
      now: () => long,
      random: () => 0,
    },
  });
  const told = storedTold({
    notification: {
      ...{ eventType: 'PUSH_ARTIFACT', eventId: 'source-1', position: 1n, occurredAt: long, operator: '' },
      ...{ project: 'team', artifacts: [] },
    },
    facts: { projectId: 7, isPublic: true, repositoryCreatedAt: undefined, host: 'reg.example.com' },
  });
  await attempt(waiting(1, { told }), new AbortController().signal);
  assert.deepEqual(
    recorded.map(({ type, data }) => [type, 'error' in data && data.error]),
    [['WebhookAttemptFailed', 'unusable-target']],
  );
});
