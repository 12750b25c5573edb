import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordedEvent } from '../../domain/event.ts';
import { type EventLog, LogUnavailable } from '../event-log/port.ts';
import { Wake } from '../event-log/wake.ts';

const pauseMs = 500;

export interface Follower {
  /** All events up to here were handed over. */
  seen(): bigint;
  /** Whether `seen` gets to `position` within `withinMs`; at once false while the log cannot be followed. */
  reaches(position: bigint, withinMs: number): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Hands over every event that comes after the log's present head, in their order, and says how far it is.
 * @param onOutage told why it cannot go on, once until it got further; it tries again by itself
 */
export async function followLog(
  log: Pick<EventLog, 'head' | 'subscribe'>,
  onEvent: (event: RecordedEvent) => void,
  onOutage: (error: unknown) => void,
): Promise<Follower> {
  const closing = new AbortController();
  const news = new Wake();
  let seen = await log.head();
  let follows = true;
  let isOutageTold = false;

  async function follow(): Promise<void> {
    while (!closing.signal.aborted) {
      follows = true;
      try {
        for await (const events of log.subscribe(seen, closing.signal)) {
          for (const event of events) {
            onEvent(event);
            seen = event.position;
          }
          isOutageTold = false;
          news.raise();
        }
        throw new LogUnavailable('the event log ended the subscription of the read cache');
      } catch (error) {
        // Whatever it is, the reads go to the views meanwhile, and nothing is skipped: it goes on after `seen`.
        if (!closing.signal.aborted && !isOutageTold) {
          isOutageTold = true;
          onOutage(error);
        }
      }
      follows = false;
      news.raise();
      await sleep(pauseMs, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  }

  const following = follow();
  return {
    seen: () => seen,

    async reaches(position, withinMs) {
      const deadline = performance.now() + withinMs;
      while (seen < position) {
        const leftMs = deadline - performance.now();
        if (!follows || leftMs <= 0) return false;
        await news.wait(news.count, leftMs, closing.signal);
        if (closing.signal.aborted) return false;
      }
      return true;
    },

    async close() {
      closing.abort();
      await following;
    },
  };
}
