import { setTimeout as wait } from 'node:timers/promises';
import type { WebhookAttempts } from '../infra/webhook-attempts/port.ts';

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
}: SweepingAttemptsPorts): { stop(): Promise<void> } {
  const stopping = new AbortController();

  async function sweep(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        const before = new Date(now().getTime() - keptMs);
        while (!stopping.signal.aborted && (await attempts.sweep(before, batch)) === batch);
        await sweepDeliveries(stopping.signal);
      } catch (error) {
        onFailure(error);
      }
      await wait(everyMs, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
    }
  }

  const sweeping = sweep();
  return {
    async stop() {
      stopping.abort();
      await sweeping;
    },
  };
}
