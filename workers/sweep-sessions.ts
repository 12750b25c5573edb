import type { SessionStore } from '../infra/session-store/port.ts';
import { pause } from './pause.ts';

/** What is left of an expired session, the address of a person among it, goes within this time. */
const everyMs = 10 * 60_000;
/** In one statement. */
const batch = 1000;

export interface SweepingSessions {
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

export interface SweepingSessionsPorts {
  readonly store: Pick<SessionStore, 'sweep'>;
  readonly logger: { warn(fields: object, message: string): void };
}

/** Removes expired sessions now and again until it is stopped; what fails is logged and done at the next time. */
export function keepSweepingSessions({ store, logger }: SweepingSessionsPorts): SweepingSessions {
  const stopping = new AbortController();

  async function sweep(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        while (!stopping.signal.aborted && (await store.sweep(batch)) === batch);
      } catch (error) {
        logger.warn({ err: error }, 'the expired sessions cannot be removed now');
      }
      // Rejects when it is stopped, and only then.
      await pause(everyMs, stopping.signal);
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
