import { type RefusedChange, refusedChangesStream } from '../domain/audit/events.ts';
import type { Metadata } from '../domain/event.ts';
import type { BackgroundRecorder } from './record-in-background.ts';

/** Notes that somebody tried something in vain; returns at once, and never fails. */
export type RecordRefusedChange = (change: RefusedChange, metadata: Metadata) => void;

export interface RefusedChangePorts {
  readonly background: Pick<BackgroundRecorder, 'record'>;
  readonly now: () => Date;
  onDropped(events: number): void;
}

/** Of one actor no more are recorded in a minute: nobody fills the log by what he may not. */
const maxInMinute = 60;
/** Who is not counted any more may be told of that many times again. */
const maxActors = 10_000;

export function refusedChangeRecorder({
  background,
  now,
  onDropped,
}: RefusedChangePorts): RecordRefusedChange {
  let minute = -1;
  const counts = new Map<string, number>();

  return (change, metadata) => {
    const at = now();
    const current = Math.floor(at.getTime() / 60_000);
    if (current !== minute || counts.size >= maxActors) counts.clear();
    minute = current;
    const count = (counts.get(metadata.actor) ?? 0) + 1;
    counts.set(metadata.actor, count);
    if (count > maxInMinute) return onDropped(1);
    background.record(refusedChangesStream(at), { type: 'ChangeRefused', data: change }, metadata);
  };
}
