import type { WebhookTarget } from '../commands/webhook-targets.ts';
import type { Metadata } from '../domain/event.ts';
import { webhookUrl } from '../domain/webhook/address.ts';
import type { SealedTarget } from '../domain/webhook/events.ts';
import { bodyOf } from '../domain/webhook-delivery/body.ts';
import type { DeliveryEvent } from '../domain/webhook-delivery/events.ts';
import type { PausablePolicy, WebhookPauseCommand } from '../domain/webhook-delivery/pause.ts';
import { longestPauseMs, outcomeOf, type Patience, type Result } from '../domain/webhook-delivery/retry.ts';
import { readTold } from '../domain/webhook-delivery/told.ts';
import type { WebhookAttempt, WebhookAttempts } from '../infra/webhook-attempts/port.ts';
import type { WebhookOutcome, WebhookSender } from '../infra/webhook-sender/port.ts';
import type { DueDelivery } from '../projections/webhook-deliveries/queues.ts';
import type { WebhookPolicy } from '../projections/webhooks/queries.ts';
import type { Attempted } from './deliver-webhooks.ts';

export interface AttemptDeliveryPorts {
  readonly sender: Pick<WebhookSender, 'send'>;
  findPolicy(policyId: number): Promise<WebhookPolicy | undefined>;
  /** With what the target keeps secret; undefined where that is sealed with a key that is gone. */
  openTarget(policyId: number, target: SealedTarget): WebhookTarget | undefined;
  /**
   * The headers by which a message is known and signed, the same id for each time that it is tried; undefined where what it is
   * signed with is sealed with a key that is gone.
   */
  signedHeaders(
    delivery: DueDelivery,
    policy: WebhookPolicy,
    body: string,
    at: Date,
  ): Readonly<Record<string, string>> | undefined;
  readonly attempts: Pick<WebhookAttempts, 'write'>;
  /** The keyed hash of a name; undefined for that of a user who was erased. */
  personKey(name: string): Promise<string | undefined>;
  /** Resolves to the position, or to undefined where another process has recorded an attempt of that number. */
  record(event: DeliveryEvent, metadata: Metadata): Promise<bigint | undefined>;
  pause(policy: PausablePolicy, command: WebhookPauseCommand, metadata: Metadata): Promise<bigint>;
  readonly patience: Patience;
  readonly timeoutMs: number;
  readonly userAgent: string;
  /** Is told what each attempt has come to. */
  onOutcome(outcome: DeliveryEvent['type']): void;
  now(): Date;
  /** From 0 to 1. */
  random(): number;
}

/** Between two messages to one address of Slack, which takes no more. */
const slackRestMs = 1000;
/** What is not shown of a request, nor of an answer. */
const secretHeaders: ReadonlySet<string> = new Set(['authorization', 'set-cookie', 'proxy-authorization']);
const hidden = '(hidden)';
const unusable: Result = { kind: 'failed', error: 'unusable-target', status: null };

/** Tries a delivery once, at the address that its policy has now, keeps what was sent and came back, and records the outcome. */
export function attemptDelivery(
  ports: AttemptDeliveryPorts,
): (delivery: DueDelivery, over: AbortSignal) => Promise<Attempted | undefined> {
  return async (delivery, over) => {
    const policy = await ports.findPolicy(delivery.policyId);
    const sealed = policy?.targets[delivery.target];
    // The view of the queues shows that too, a little later.
    if (policy === undefined || sealed === undefined || !policy.isEnabled) return undefined;
    const attemptedAt = ports.now();
    const target = ports.openTarget(delivery.policyId, sealed);
    const began = performance.now();
    const result: Result =
      target === undefined ? unusable : await send(delivery, policy, target, attemptedAt, over);
    const durationMs = Math.round(performance.now() - began);
    const restMs = target?.type === 'slack' ? slackRestMs : 0;
    return record(delivery, policy, { attemptedAt, durationMs }, result, restMs);
  };

  async function send(
    delivery: DueDelivery,
    policy: WebhookPolicy,
    target: WebhookTarget,
    at: Date,
    over: AbortSignal,
  ): Promise<Result> {
    const told = readTold(delivery.told);
    const body = bodyOf(told, target, policy);
    const signed = ports.signedHeaders(delivery, policy, body.text, at);
    if (signed === undefined) return unusable;
    const headers = {
      'content-type': body.contentType,
      'user-agent': ports.userAgent,
      ...signed,
      // As in Harbor, where none goes to Slack.
      ...(target.authHeader !== '' && target.type !== 'slack' && { authorization: target.authHeader }),
    };
    const began = performance.now();
    const outcome = await ports.sender.send({
      ...{ address: target.address, headers, body: body.text, skipCertVerify: target.skipCertVerify },
      ...{ timeoutMs: ports.timeoutMs, signal: over },
    });
    const durationMs = Math.round(performance.now() - began);
    const personKey = await ports.personKey(told.notification.operator);
    // An answer may repeat what was sent: nothing is kept of somebody who was erased meanwhile.
    if (personKey !== undefined)
      await ports.attempts.write({
        ...{ deliveryId: delivery.deliveryId, attempt: delivery.attempts + 1, at, durationMs, personKey },
        request: {
          origin: webhookUrl(target.address)?.origin ?? '',
          headers: shownHeaders(headers),
          form: { type: target.type, payloadFormat: target.payloadFormat },
        },
        ...shownOutcome(outcome),
      });
    return resultOf(outcome, ports.now());
  }

  async function record(
    { deliveryId, target, round, attempts, tried, requestedAt, sourceId }: DueDelivery,
    { policyId, projectId, name }: PausablePolicy,
    took: { readonly attemptedAt: Date; readonly durationMs: number },
    result: Result,
    restMs: number,
  ): Promise<Attempted> {
    const attempt = { deliveryId, policyId, target, round, attempt: attempts + 1, tried: tried + 1 };
    const event = outcomeOf(
      { ...attempt, ...took, requestedAt },
      result,
      ports.patience,
      ports.now(),
      ports.random(),
    );
    const metadata: Metadata = { actor: 'system', causationId: sourceId };
    const recorded = await ports.record(event, metadata);
    if (recorded === undefined) return { outcome: event.type, position: undefined, restMs };
    ports.onOutcome(event.type);
    const isGone = event.type === 'WebhookAttemptFailed' && event.data.error === 'gone';
    const position = isGone
      ? await ports.pause({ policyId, projectId, name }, { do: 'pause', target, reason: 'gone' }, metadata)
      : recorded;
    return { outcome: event.type, position, restMs };
  }
}

const gone = 410;

function resultOf(outcome: WebhookOutcome, now: Date): Result {
  if (outcome.kind === 'failed') return { kind: 'failed', error: outcome.reason, status: null };
  const { status, headers } = outcome;
  if (status >= 200 && status < 300) return { kind: 'delivered', status };
  if (status === gone) return { kind: 'failed', error: 'gone', status };
  return { kind: 'failed', error: 'status', status, retryAfterMs: retryAfterMs(headers['retry-after'], now) };
}

/** Seconds, or a date (RFC 9110, section 10.2.3); undefined for anything else. */
export function retryAfterMs(text: string | undefined, now: Date): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now.getTime();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), longestPauseMs) : undefined;
}

function shownOutcome(outcome: WebhookOutcome): Pick<WebhookAttempt, 'response' | 'error' | 'timings'> {
  const timings = { ...outcome.timings };
  if (outcome.kind === 'failed')
    return { response: undefined, error: { kind: outcome.reason, message: outcome.message }, timings };
  const { status, headers, body } = outcome;
  const response = { status, headers: shownHeaders(headers), body: new TextDecoder().decode(body) };
  return { response, error: undefined, timings };
}

const shownHeaders = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, secretHeaders.has(name) ? hidden : value]),
  );
