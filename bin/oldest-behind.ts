import type { EventLog } from '../infra/event-log/port.ts';

/** When the first event behind a position was recorded; undefined where the log ends there. */
export type OldestBehind = (position: bigint) => Promise<Date | undefined>;

/** For one who follows: an event that waits for an hour is not read each time. */
export function oldestBehind(log: Pick<EventLog, 'head' | 'readAll'>): OldestBehind {
  let waiting: { readonly position: bigint; readonly since: Date } | undefined;
  return async (position) => {
    if (waiting?.position === position) return waiting.since;
    const since = (await firstAfter(log, position))?.recordedAt;
    waiting = since && { position, since };
    return since;
  };
}

export async function firstAfter(log: Pick<EventLog, 'head' | 'readAll'>, position: bigint) {
  if (position >= (await log.head())) return undefined;
  for await (const [event] of log.readAll(position)) return event;
  return undefined;
}
