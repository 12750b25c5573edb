import type { WebhookAttempts } from '../infra/webhook-attempts/port.ts';
import { type Doing, keepDoing } from './keep-doing.ts';

const everyMs = 10 * 60_000;
/** In one statement. */
const batch = 1000;

export interface SweepingAttemptsPorts {
  readonly attempts: Pick<WebhookAttempts, 'sweep'>;
  readonly keptMs: number;
  /** Takes deliveries that have long been over out of the ledger. */
  sweepDeliveries(stopping: AbortSignal): Promise<void>;
  now(): Date;
  onFailure(error: unknown): void;
}

/** Removes what attempts have sent and got, and deliveries, when they are old, now and again until it is stopped. */
export function keepSweepingAttempts({
  attempts,
  keptMs,
  sweepDeliveries,
  now,
  onFailure,
}: SweepingAttemptsPorts): Doing {
  return keepDoing(
    everyMs,
    async (stopping) => {
      const before = new Date(now().getTime() - keptMs);
      while (!stopping.aborted && (await attempts.sweep(before, batch)) === batch);
      await sweepDeliveries(stopping);
    },
    onFailure,
  );
}
