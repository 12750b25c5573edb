import { pause } from './pause.ts';

/** How often it looks; milliseconds. What is crossed up and down again in between is not crossed. */
const everyMs = 5000;
/** How often a process looks whether the one that watches is gone; milliseconds. */
const standInMs = 15_000;

export interface WatchingQuotas {
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

export interface WatchingQuotasPorts {
  /** Says what there is to say of quotas; resolves to how many it was, 0 when there is no more. */
  observe(): Promise<number>;
  /** Runs `work` where nobody else watches, undefined where somebody does; see `aloneIn`. */
  alone<Result>(work: (lost: AbortSignal) => Promise<Result>): Promise<Result | undefined>;
  /** Whether quotas count at all. */
  isEnabled(): Promise<boolean>;
  readonly logger: { warn(fields: object, message: string): void };
}

/**
 * Looks at the quotas until it is stopped, in one process of all that would; what fails is logged and done at the next
 * time.
 */
export function keepWatchingQuotas({
  alone,
  isEnabled,
  observe,
  logger,
}: WatchingQuotasPorts): WatchingQuotas {
  const stopping = new AbortController();

  async function watch(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await alone(observeUntil);
      } catch (error) {
        warn(error);
      }
      await pause(standInMs, stopping.signal);
    }
  }

  async function observeUntil(lost: AbortSignal): Promise<void> {
    const over = AbortSignal.any([stopping.signal, lost]);
    while (!over.aborted) {
      try {
        if (await isEnabled()) await observe();
      } catch (error) {
        warn(error);
      }
      await pause(everyMs, over);
    }
  }

  const warn = (error: unknown): void => {
    // A connection that ends because this process does is no news.
    if (!stopping.signal.aborted) logger.warn({ err: error }, 'the quotas cannot be looked at now');
  };

  const watching = watch();
  return {
    async stop() {
      stopping.abort();
      await watching;
    },
  };
}
