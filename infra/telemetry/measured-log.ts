import { type EventLog, RevisionConflict } from '../event-log/port.ts';
import type { Metrics } from './metrics.ts';
import { inSpan } from './tracing.ts';

/** `log`, whose appends are timed, counted and traced. */
export function measuredLog(log: EventLog, metrics: Metrics): EventLog {
  const measured = (
    attributes: Record<string, string | number>,
    events: number,
    append: () => Promise<bigint>,
  ) =>
    inSpan('append', { 'shiplog.engine': log.engine, 'shiplog.events': events, ...attributes }, async () => {
      const startedAt = performance.now();
      try {
        const position = await append();
        metrics.logAppendDuration.observe((performance.now() - startedAt) / 1000);
        metrics.logAppendedEvents.inc(events);
        return position;
      } catch (error) {
        if (error instanceof RevisionConflict) metrics.logConflicts.inc();
        throw error;
      }
    });

  return {
    engine: log.engine,
    appendsManyAtomically: log.appendsManyAtomically,
    append: (stream, expectedRevision, events) =>
      measured({ 'shiplog.stream': stream }, events.length, () =>
        log.append(stream, expectedRevision, events),
      ),
    appendMany: (appends) => {
      const events = appends.reduce((sum, append) => sum + append.events.length, 0);
      return measured({ 'shiplog.streams': appends.length }, events, () => log.appendMany(appends));
    },
    readStream: (stream, from) => log.readStream(stream, from),
    readAll: (after) => log.readAll(after),
    readAt: (positions) => log.readAt(positions),
    subscribe: (after, signal) => log.subscribe(after, signal),
    head: () => log.head(),
    close: () => log.close(),
  };
}
