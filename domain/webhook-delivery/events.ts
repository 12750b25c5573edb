import { z } from 'zod';
import { eventOf } from '../event-schema.ts';
import { webhookEventTypes } from '../webhook/events.ts';

/** One stream for each thing that is told, so that nobody asks for its deliveries twice. @param sourceId an event's id */
export const notificationStream = (sourceId: string): string => `webhook-notification/${sourceId}`;
/** What came of the attempts of one delivery: its n-th event is the n-th attempt. */
export const deliveryStream = (deliveryId: number): string => `webhook-delivery/${deliveryId}`;
/** @param run a UUID */
export const redeliveryStream = (run: string): string => `webhook-redelivery/${run}`;
/** One stream a day: nothing is decided on it. */
export const deliveriesSweepStream = (at: Date): string => `webhook-sweep/${at.toISOString().slice(0, 10)}`;
export const webhookPauseStream = (policyId: number): string => `webhook-pause/${policyId}`;

/** What is told to see whether it arrives. */
export const pingType = 'PING' as const;
export const toldTypes = [...webhookEventTypes, pingType] as const;
export type ToldType = (typeof toldTypes)[number];

/** In one event. */
export const maxRedelivered = 1000;

/** Why nothing was answered. */
export const sendErrors = [
  /** No address of the host may be asked, or what was given is no address at all. */
  'refused-address',
  /** The name is not known, or nobody could say. */
  'dns',
  'connect',
  'tls',
  /** Not all was done in time; whether the other side has had the request is not known. */
  'timeout',
  /** The other side has ended the connection before it answered. */
  'reset',
  /** What it has sent is no answer. */
  'malformed-answer',
  /** What it has sent before the body has more than 16 KiB. */
  'too-large-header',
] as const;
export type SendError = (typeof sendErrors)[number];

/** Why an attempt has failed; `status` for an answer that is no success, `gone` for one of 410. */
export const attemptErrors = ['status', 'gone', ...sendErrors, 'unusable-target'] as const;
export type AttemptError = (typeof attemptErrors)[number];

const policyId = z.int().positive().describe('The number of the policy');
const position = z.string().regex(/^\d{1,20}$/);

export const notificationEvent = z.discriminatedUnion('type', [
  eventOf('WebhookDeliveriesRequested', 'Something is to be told to those whose policies ask for it.', {
    sourceId: z
      .string()
      .describe('The id of the event that is told; of its own for what is told to try a policy'),
    sourcePosition: position
      .nullable()
      .describe('The position of that event, by which deliveries are in order; null for this event itself'),
    eventType: z.enum(toldTypes).describe('What it is in the words of the policies'),
    occurredAt: z.iso.datetime().describe('When it happened'),
    projectId: z
      .int()
      .positive()
      .nullable()
      .describe('The number of the project; null for what is of none, or of one that was gone by then'),
    project: z.string().describe('The name of the project; empty for what is of none'),
    repository: z.string().nullable().describe('The full name of the repository; null for what is of none'),
    told: z
      .looseObject({
        notification: z.looseObject({
          operator: z.string().describe('The name of who did it; empty where nobody is told of'),
        }),
      })
      .describe('What the bodies are made of, also when it is delivered again'),
    deliveries: z
      .array(
        z.object({
          deliveryId: z.int().positive().describe('The number that the management API shows'),
          policyId,
          target: z.int().nonnegative().describe('Which target of the policy, from 0'),
        }),
      )
      .describe('Each target of each policy, with the number of its delivery'),
  }),
]);
export type NotificationEvent = z.infer<typeof notificationEvent>;
export type RequestedDeliveries = NotificationEvent['data'];

const attempted = {
  deliveryId: z.int().positive().describe('The number of the delivery'),
  policyId,
  target: z.int().nonnegative().describe('Which target of the policy, from 0'),
  round: z.int().positive().describe('How often it was to be delivered by then'),
  attempt: z.int().positive().describe('How often it was tried, in all rounds'),
  attemptedAt: z.iso.datetime().describe('When the attempt began'),
  durationMs: z.int().nonnegative().describe('How long it took, in milliseconds'),
};
const failed = {
  ...attempted,
  error: z.enum(attemptErrors).describe('Why it has failed'),
  status: z.int().nullable().describe('The status of the answer; null without an answer'),
};

/** What was sent and answered is kept beside the views, and not for ever. */
export const deliveryEvent = z.discriminatedUnion('type', [
  eventOf('WebhookDelivered', 'A target has taken what it was told.', {
    ...attempted,
    status: z.int().describe('The status of the answer'),
  }),
  eventOf('WebhookAttemptFailed', 'A target has not taken what it was told; it is tried again.', {
    ...failed,
    nextAt: z.iso.datetime().describe('When, at the earliest'),
  }),
  eventOf(
    'WebhookDeliveryGivenUp',
    'A target has not taken what it was told, and is not told it again.',
    failed,
  ),
]);
export type DeliveryEvent = z.infer<typeof deliveryEvent>;

export const redeliveryEvent = z.discriminatedUnion('type', [
  eventOf(
    'WebhookRedeliveryRequested',
    'Deliveries that were over are to be made once more, in their old order and under their old ids.',
    { deliveryIds: z.array(z.int().positive()).max(maxRedelivered).describe('Their numbers') },
  ),
]);
export type RedeliveryEvent = z.infer<typeof redeliveryEvent>;

const pausable = {
  policyId,
  projectId: z.int().positive().nullable().describe('The number of its project; null for every project'),
  name: z.string().describe('What the policy is called'),
};

export const webhookPauseEvent = z.discriminatedUnion('type', [
  eventOf('WebhookPolicyPaused', 'Nothing of a policy is delivered for now; what is to be told piles up.', {
    ...pausable,
    target: z
      .int()
      .nonnegative()
      .nullable()
      .describe('Which target of the policy, from 0; null for all of them'),
    reason: z
      .string()
      .describe('Why, in the words of who did it; `gone` where the target has said so itself'),
  }),
  eventOf('WebhookPolicyResumed', 'What has piled up is delivered in order.', {
    ...pausable,
    from: position
      .nullable()
      .describe('What happened before this position is not told any more; null for all of it'),
  }),
]);
export type WebhookPauseEvent = z.infer<typeof webhookPauseEvent>;

export const deliveriesSweepEvent = z.discriminatedUnion('type', [
  eventOf(
    'WebhookDeliveriesSwept',
    'Deliveries that have long been over are not listed any more; what came of them stays recorded.',
    { before: z.iso.datetime().describe('Those to which nothing has happened from this time on') },
  ),
]);
export type DeliveriesSweepEvent = z.infer<typeof deliveriesSweepEvent>;
