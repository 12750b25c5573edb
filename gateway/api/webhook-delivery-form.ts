import { z } from 'zod';
import { bodyOf, type TargetForm } from '../../domain/webhook-delivery/body.ts';
import { attemptErrors, toldTypes } from '../../domain/webhook-delivery/events.ts';
import { readTold } from '../../domain/webhook-delivery/told.ts';
import type { WebhookAttempt } from '../../infra/webhook-attempts/port.ts';
import type { EndpointHealth, Outcomes } from '../../projections/webhook-deliveries/health.ts';
import type { Delivery } from '../../projections/webhook-deliveries/queries.ts';
import { deliveryStates, skipReasons } from '../../projections/webhook-deliveries/tables.ts';
import type { WebhookPolicy } from '../../projections/webhooks/queries.ts';
import { time } from './answer-forms.ts';

const headers = z.record(z.string(), z.string()).describe('Those that are secret are hidden');

export const deliveryFields = {
  id: z.int(),
  event_id: z.string().describe('The id of the event that is told'),
  position: z.string().describe('The position of that event in the log, by which deliveries are in order'),
  event_type: z.enum(toldTypes),
  occurred_at: time,
  project: z.string().describe('Empty for what is of none'),
  repository: z.string().nullable(),
  policy_id: z.int(),
  target: z.int().describe('Which target of the policy, from 0'),
  state: z.enum(deliveryStates),
  skip_reason: z.enum(skipReasons).nullable(),
  requested_at: time,
  update_time: time,
  rounds: z.int().describe('How often it was to be delivered'),
  attempts: z.int().describe('How often it was tried, in all rounds'),
  attempts_in_round: z.int().describe('And in the last one'),
  status: z.int().nullable().describe('Of the answer to the last attempt'),
  error: z.enum(attemptErrors).nullable().describe('Why the last attempt has failed'),
  attempted_at: time.nullable(),
  duration_ms: z.int().nullable(),
  next_at: time.nullable().describe('When it is tried again, at the earliest'),
};

export const deliveryAnswer = z.object(deliveryFields).meta({ id: 'WebhookDelivery' });

export const shownDelivery = (delivery: Delivery) => ({
  id: delivery.deliveryId,
  event_id: delivery.sourceId,
  position: String(delivery.position),
  event_type: delivery.eventType,
  occurred_at: delivery.occurredAt,
  project: delivery.project,
  repository: delivery.repository ?? null,
  policy_id: delivery.policyId,
  target: delivery.target,
  state: delivery.state,
  skip_reason: delivery.skipReason ?? null,
  requested_at: delivery.requestedAt,
  update_time: delivery.updatedAt,
  rounds: delivery.round,
  attempts: delivery.attempts,
  attempts_in_round: delivery.tried,
  status: delivery.status ?? null,
  error: delivery.error ?? null,
  attempted_at: delivery.attemptedAt ?? null,
  duration_ms: delivery.durationMs ?? null,
  next_at: delivery.nextAt ?? null,
});

const attemptAnswer = z
  .object({
    attempt: z.int(),
    time,
    duration_ms: z.int(),
    request: z.object({
      origin: z.string().describe('Scheme, host and port; the rest of an address can be a secret'),
      headers,
      body: z.string(),
    }),
    response: z
      .object({ status: z.int(), headers, body: z.string().describe('Its first 64 KiB, as text') })
      .nullable(),
    error: z.object({ kind: z.string(), message: z.string() }).nullable(),
    timings: z.record(z.string(), z.number().nullable()).describe('In milliseconds'),
  })
  .meta({ id: 'WebhookAttempt' });

export const deliveryWithAttemptsAnswer = z
  .object({
    ...deliveryFields,
    payload: z.string().describe('What is sent, as the target is now'),
    log: z.array(attemptAnswer).describe('The last attempts, the latest first, as long as they are kept'),
  })
  .meta({ id: 'WebhookDeliveryWithAttempts' });

export const shownAttempt =
  (delivery: Delivery) =>
  ({ attempt, at, durationMs, request: { form, ...request }, response, error, timings }: WebhookAttempt) => ({
    ...{ attempt, time: at, duration_ms: durationMs, timings },
    request: { ...request, body: bodyIn(delivery, form) },
    response: response ?? null,
    error: error ?? null,
  });

/** What is told when nobody says any more how. */
const standardForm: TargetForm = { type: 'http', payloadFormat: 'Default' };

/** How the target is told, as its policy is now. */
export const formOf = (policy: WebhookPolicy | undefined, target: number): TargetForm =>
  policy?.targets[target] ?? standardForm;

export const payloadOf = (delivery: Delivery, policy: WebhookPolicy | undefined): string =>
  bodyIn(delivery, formOf(policy, delivery.target));

const bodyIn = ({ told, policyId, projectId }: Delivery, form: TargetForm): string =>
  bodyOf(readTold(told), form, { policyId, projectId: projectId ?? null }).text;

const outcomes = z.object({
  delivered: z.int(),
  failed: z.int().describe('Attempts'),
  given_up: z.int().describe('Deliveries'),
  latency_ms: z.int().nullable().describe('On average, of those that were delivered'),
});

export const healthAnswer = z
  .object({
    target: z.int(),
    queued: z.int().describe('Deliveries that wait, up to 10000'),
    head: z
      .object({ id: z.int(), requested_at: time, attempts: z.int(), next_at: time.nullable() })
      .nullable()
      .describe('The one that all others wait for'),
    pause: z.object({ reason: z.string(), paused_at: time }).nullable(),
    last_24_hours: outcomes,
    last_30_days: outcomes,
  })
  .meta({ id: 'WebhookTargetHealth' });

const shownOutcomes = ({ delivered, failed, givenUp, latencyMs }: Outcomes) => ({
  ...{ delivered, failed, given_up: givenUp },
  latency_ms: latencyMs ?? null,
});

export const shownHealth = ({ target, queued, head, pause, day, month }: EndpointHealth) => ({
  target,
  queued,
  head:
    head === undefined
      ? null
      : {
          id: head.deliveryId,
          requested_at: head.requestedAt,
          attempts: head.tried,
          next_at: head.nextAt ?? null,
        },
  pause: pause === undefined ? null : { reason: pause.reason, paused_at: pause.pausedAt },
  last_24_hours: shownOutcomes(day),
  last_30_days: shownOutcomes(month),
});
