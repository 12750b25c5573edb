import { setTimeout as wait } from 'node:timers/promises';

/** How often it looks; milliseconds. What is crossed up and down again in between is not crossed. */
const everyMs = 5000;

export interface WatchingQuotas {
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

export interface WatchingQuotasPorts {
  /** Says what there is to say of quotas; resolves to how many it was, 0 when there is no more. */
  observe(): Promise<number>;
  readonly logger: { warn(fields: object, message: string): void };
}

/** Looks at the quotas until it is stopped; what fails is logged and done at the next time. */
export function keepWatchingQuotas({ observe, logger }: WatchingQuotasPorts): WatchingQuotas {
  const stopping = new AbortController();

  async function watch(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await observe();
      } catch (error) {
        logger.warn({ err: error }, 'the quotas cannot be looked at now');
      }
      // Rejects when it is stopped, and only then.
      await wait(everyMs, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
    }
  }

  const watching = watch();
  return {
    async stop() {
      stopping.abort();
      await watching;
    },
  };
}
