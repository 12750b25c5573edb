import { happened, type Recorder } from '../commands/record.ts';
import { deliveriesSweepStream } from '../domain/webhook-delivery/events.ts';

/** What one event takes: the view removes it in one go, and nothing else is shown meanwhile. */
const rowsAtOnce = 5000;

export interface SweepDeliveriesPorts {
  readonly record: Recorder;
  /** Up to when about `limit` of the oldest go that are before `before`; undefined where there are none. */
  sweepSlice(before: Date, limit: number): Promise<Date | undefined>;
  /** Runs `work` where no other process sweeps, undefined where one does; see `aloneIn`. */
  alone<Result>(work: (lost: AbortSignal) => Promise<Result>): Promise<Result | undefined>;
  /** Resolves when deliveries are shown as they were at the position. */
  reached(position: bigint): Promise<void>;
  readonly keptMs: number;
  readonly now: () => Date;
}

/**
 * Takes deliveries that have long been over out of the ledger, by events, so that a replay shows the same; where there are none,
 * nothing is recorded. A clock that is ahead takes what is younger by as much as it is ahead, and no more: what a delivery's
 * age is counted from is the log's time, and of pending ones none goes.
 */
export const sweepWebhookDeliveries =
  ({ record, sweepSlice, alone, reached, keptMs, now }: SweepDeliveriesPorts) =>
  async (stopping: AbortSignal): Promise<void> => {
    const before = new Date(now().getTime() - keptMs);
    const next = () => sweepSlice(before, rowsAtOnce);
    // Most of the time there are none, which takes no lock.
    if ((await next()) === undefined) return;
    await alone(async (lost) => {
      const over = AbortSignal.any([stopping, lost]);
      while (!over.aborted) {
        const until = await next();
        if (until === undefined) return;
        const event = { type: 'WebhookDeliveriesSwept', data: { before: until.toISOString() } } as const;
        const swept = happened(deliveriesSweepStream(now()), event);
        // No further ahead of the view than this: what it has to take would grow without bound.
        await reached((await record({ actor: 'system' }, swept)).position);
      }
    });
  };
