import type { AttemptError, DeliveryEvent } from './events.ts';

/** The pause after the first failure doubles up to this one; milliseconds. */
export const longestPauseMs = 3_600_000;

/** Before so many attempts the age of a delivery does not count: it may have waited behind others, or a clock was moved. */
const fewestAttempts = 3;

/** For how long it is tried; what happened is late anyhow after that. */
export interface Patience {
  /** The pause after the first failure, in milliseconds. */
  readonly firstPauseMs: number;
  /** In milliseconds, since the delivery was asked for. */
  readonly retryMs: number;
  /** How often it is tried again at most, where an operator says so; for as long as the time lasts without. */
  readonly maxRetries: number | undefined;
}

/** What an attempt has come to. */
export type Result =
  | { readonly kind: 'delivered'; readonly status: number }
  | {
      readonly kind: 'failed';
      readonly error: AttemptError;
      readonly status: number | null;
      /** What the answer asks for, in milliseconds. */
      readonly retryAfterMs?: number | undefined;
    };

export interface Attempt {
  readonly deliveryId: number;
  readonly policyId: number;
  readonly target: number;
  readonly round: number;
  /** In all rounds, this one included. */
  readonly attempt: number;
  /** In this round, this one included. */
  readonly tried: number;
  readonly requestedAt: Date;
  readonly attemptedAt: Date;
  readonly durationMs: number;
}

/**
 * @param tried how often it was
 * @param random from 0 to 1: deliveries that failed together are not all tried at one moment
 */
export function pauseMs(
  { firstPauseMs }: Pick<Patience, 'firstPauseMs'>,
  tried: number,
  random: number,
  retryAfterMs = 0,
): number {
  const pause = Math.min(firstPauseMs * 2 ** Math.min(tried - 1, 20), longestPauseMs);
  const asked = Math.min(Math.max(retryAfterMs, 0), longestPauseMs);
  return Math.round(Math.max(pause * (0.75 + random / 4), asked));
}

/** How often a delivery is tried when each pause is the longest it can be; it bounds what a clock that stands still allows. */
export function mostAttempts(patience: Pick<Patience, 'firstPauseMs' | 'retryMs'>): number {
  let attempts = 1;
  for (let ms = 0; ms < patience.retryMs; attempts += 1) ms += pauseMs(patience, attempts, 1);
  return attempts;
}

/** What is recorded of an attempt. @param now when it was over */
export function outcomeOf(
  { tried, requestedAt, attemptedAt, ...which }: Attempt,
  result: Result,
  patience: Patience,
  now: Date,
  random: number,
): DeliveryEvent {
  const attempted = { ...which, attemptedAt: attemptedAt.toISOString() };
  const { status } = result;
  if (result.kind === 'delivered')
    return { type: 'WebhookDelivered', data: { ...attempted, status: result.status } };
  const { error, retryAfterMs } = result;
  const { retryMs, maxRetries } = patience;
  const isTooOld = now.getTime() - requestedAt.getTime() >= retryMs && tried >= fewestAttempts;
  const isTooMuch = tried >= mostAttempts(patience) || (maxRetries !== undefined && tried > maxRetries);
  // Of a target that says that it is gone the rest waits until somebody has looked at it.
  if ((isTooOld || isTooMuch) && error !== 'gone')
    return { type: 'WebhookDeliveryGivenUp', data: { ...attempted, error, status } };
  const nextAt = new Date(now.getTime() + pauseMs(patience, tried, random, retryAfterMs)).toISOString();
  return { type: 'WebhookAttemptFailed', data: { ...attempted, error, status, nextAt } };
}
