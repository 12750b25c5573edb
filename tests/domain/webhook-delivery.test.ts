import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Notification } from '../../domain/webhook/notification.ts';
import { webhookPauseDecider } from '../../domain/webhook-delivery/pause.ts';
import {
  longestPauseMs,
  mostAttempts,
  outcomeOf,
  type Patience,
  pauseMs,
} from '../../domain/webhook-delivery/retry.ts';
import { readTold, storedTold } from '../../domain/webhook-delivery/told.ts';
import { derivedEventId, newEventId } from '../../infra/event-log/ids.ts';
import { retryAfterMs } from '../../workers/attempt-delivery.ts';
import { dueIn } from '../../workers/deliver-webhooks.ts';

const hour = 3_600_000;
const patience: Patience = { firstPauseMs: 5000, retryMs: 72 * hour, maxRetries: undefined };
const requestedAt = new Date('2026-11-28T12:00:00Z');
const after = (ms: number) => new Date(requestedAt.getTime() + ms);
const attempt = (tried: number) => ({
  ...{ deliveryId: 65, policyId: 3, target: 0, round: 1, attempt: tried, tried, requestedAt },
  ...{ attemptedAt: requestedAt, durationMs: 12 },
});
const failed = { kind: 'failed', error: 'status', status: 503 } as const;
const typeAfter = (tried: number, ms: number, with_: Partial<Patience> = {}, result: object = failed) =>
  outcomeOf(attempt(tried), result as typeof failed, { ...patience, ...with_ }, after(ms), 0).type;

test('the pauses between attempts double from the first to an hour, less up to a quarter by chance', () => {
  const longest = [1, 2, 3, 10, 11, 80].map((tried) => pauseMs(patience, tried, 1));
  assert.deepEqual(longest, [5000, 10_000, 20_000, 2_560_000, longestPauseMs, longestPauseMs]);
  assert.equal(pauseMs(patience, 1, 0), 3750);
});

test('an endpoint that says when to come back is heard, up to an hour', () => {
  assert.equal(pauseMs(patience, 1, 1, 60_000), 60_000);
  assert.equal(pauseMs(patience, 1, 1, 48 * hour), hour);
  assert.equal(pauseMs(patience, 1, 1, -5), 5000);
  const now = new Date('2026-11-28T12:00:00Z');
  assert.equal(retryAfterMs('120', now), 120_000);
  assert.equal(retryAfterMs('Sat, 28 Nov 2026 12:01:00 GMT', now), 60_000);
  assert.equal(retryAfterMs('999999999', now), hour);
  for (const text of [undefined, '', 'soon', '-5', '1e9']) assert.ok((retryAfterMs(text, now) ?? 0) <= hour);
});

test('a pause counts by any clock that is nearly right, and none that is longer than can be', () => {
  const paused = (ms: number) => dueIn({ nextAt: after(ms) }, requestedAt);
  assert.equal(paused(longestPauseMs + 5000), longestPauseMs + 5000);
  assert.equal(paused(2 * longestPauseMs), 0);
  assert.ok(paused(-1) <= 0);
});

test('what is not taken is tried again for days and then given up', () => {
  assert.equal(typeAfter(1, 0), 'WebhookAttemptFailed');
  assert.equal(typeAfter(60, 71 * hour), 'WebhookAttemptFailed');
  assert.equal(typeAfter(60, 72 * hour), 'WebhookDeliveryGivenUp');
});

test('what has waited for days behind others, or by a clock that was moved, is tried some times nevertheless', () => {
  assert.equal(typeAfter(1, 1000 * hour), 'WebhookAttemptFailed');
  assert.equal(typeAfter(2, 1000 * hour), 'WebhookAttemptFailed');
  assert.equal(typeAfter(3, 1000 * hour), 'WebhookDeliveryGivenUp');
});

test('a clock that goes back lets nothing be tried for ever', () => {
  assert.equal(typeAfter(mostAttempts(patience) - 1, -1000 * hour), 'WebhookAttemptFailed');
  assert.equal(typeAfter(mostAttempts(patience), -1000 * hour), 'WebhookDeliveryGivenUp');
});

test('an operator can say how often it is tried again', () => {
  assert.equal(typeAfter(3, 0, { maxRetries: 3 }), 'WebhookAttemptFailed');
  assert.equal(typeAfter(4, 0, { maxRetries: 3 }), 'WebhookDeliveryGivenUp');
  assert.equal(typeAfter(1, 0, { maxRetries: 0 }), 'WebhookDeliveryGivenUp');
});

test('nothing is given up of a target that says that it is gone', () =>
  assert.equal(
    typeAfter(200, 1000 * hour, {}, { ...failed, error: 'gone', status: 410 }),
    'WebhookAttemptFailed',
  ));

const policy = { policyId: 3, projectId: 2, name: 'chat' };

test('a policy is paused once for each reason to, and resumed as a whole', () => {
  const decider = webhookPauseDecider(policy);
  const pause = { do: 'pause', target: 1, reason: 'gone' } as const;
  const paused = decider.decide(decider.initial, pause);
  assert.deepEqual(paused, [{ type: 'WebhookPolicyPaused', data: { ...policy, target: 1, reason: 'gone' } }]);
  const state = paused.reduce(decider.evolve, decider.initial);
  assert.deepEqual(decider.decide(state, pause), []);
  assert.equal(decider.decide(state, { ...pause, target: null }).length, 1);
  const resumed = decider.decide(state, { do: 'resume', from: null });
  assert.deepEqual(resumed, [{ type: 'WebhookPolicyResumed', data: { ...policy, from: null } }]);
  assert.deepEqual(decider.decide(resumed.reduce(decider.evolve, state), { do: 'resume', from: null }), []);
});

test('what bodies are made of is the same after it was stored', () => {
  const notification: Notification = {
    eventType: 'QUOTA_WARNING',
    ...{ eventId: newEventId(), position: 2n ** 60n, operator: '' },
    ...{ occurredAt: requestedAt, project: 'team', artifacts: [], details: 'much' },
  };
  for (const repositoryCreatedAt of [undefined, requestedAt]) {
    const facts = { projectId: 2, isPublic: true, repositoryCreatedAt, host: 'reg.example.com' };
    const stored = JSON.parse(JSON.stringify(storedTold({ notification, facts })));
    assert.deepEqual(readTold(stored), { notification, facts });
  }
});

test('an event id that is derived is a UUIDv7 of the same moment, and always the same', () => {
  const id = newEventId();
  const derived = derivedEventId(id, 'a');
  assert.match(derived, /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  assert.equal(derived.slice(0, 13), id.slice(0, 13));
  assert.equal(derivedEventId(id, 'a'), derived);
  assert.notEqual(derivedEventId(id, 'b'), derived);
  assert.notEqual(derivedEventId(newEventId(), 'a'), derived);
});
