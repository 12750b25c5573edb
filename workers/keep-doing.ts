import { pause } from './pause.ts';

/** A timer takes no more. */
const longestPauseMs = 2 ** 31 - 1;

export interface Doing {
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

/**
 * Does `work` now, and again so many milliseconds after each time until it is stopped; what fails is told of and done at the
 * next time.
 */
export function keepDoing(
  everyMs: number,
  work: (stopping: AbortSignal) => Promise<void>,
  onFailure: (error: unknown) => void,
): Doing {
  const stopping = new AbortController();

  async function untilStopped(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await work(stopping.signal);
      } catch (error) {
        onFailure(error);
      }
      await pause(Math.min(everyMs, longestPauseMs), stopping.signal);
    }
  }

  const doing = untilStopped();
  return {
    async stop() {
      stopping.abort();
      await doing;
    },
  };
}
