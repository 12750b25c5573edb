import type { SessionStore } from '../infra/session-store/port.ts';
import { type Doing, keepDoing } from './keep-doing.ts';

/** What is left of an expired session, the address of a person among it, goes within this time. */
const everyMs = 10 * 60_000;
/** In one statement. */
const batch = 1000;

export interface SweepingSessionsPorts {
  readonly store: Pick<SessionStore, 'sweep'>;
  readonly logger: { warn(fields: object, message: string): void };
}

/** Removes expired sessions now and again until it is stopped; what fails is logged and done at the next time. */
export function keepSweepingSessions({ store, logger }: SweepingSessionsPorts): Doing {
  return keepDoing(
    everyMs,
    async (stopping) => {
      while (!stopping.aborted && (await store.sweep(batch)) === batch);
    },
    (error) => logger.warn({ err: error }, 'the expired sessions cannot be removed now'),
  );
}
