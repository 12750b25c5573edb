import { Counter, Gauge } from 'prom-client';
import { type Metrics, sharedInTime } from './metrics.ts';

export interface PublisherProgress {
  /** Up to where all events are published; undefined where it is not known yet. */
  position(): Promise<bigint | undefined>;
  /** When the first event behind a position was recorded; undefined where the log ends there. */
  recordedAfter(position: bigint): Promise<Date | undefined>;
}

export interface PublisherInstruments {
  published(count: number): void;
  failed(): void;
}

/** Measures the publication of events; how far it is, as it is at each scrape. */
export function exposePublisher({ registry }: Metrics, progress: PublisherProgress): PublisherInstruments {
  const registers = [registry];
  const readPosition = sharedInTime(() => progress.position());
  const lagSeconds = sharedInTime(async () => {
    const position = await progress.position();
    if (position === undefined) return undefined;
    const since = await progress.recordedAfter(position);
    return since === undefined ? 0 : Math.max(0, Date.now() - since.getTime()) / 1000;
  });
  new Gauge({
    name: 'shiplog_event_publisher_lag_seconds',
    help: 'Age of the oldest event that is not published to NATS, 0 when none is',
    registers,
    async collect() {
      const lag = await lagSeconds();
      if (lag === undefined) this.remove();
      else this.set(lag);
    },
  });
  new Gauge({
    name: 'shiplog_event_publisher_position',
    help: 'Position in the log up to which events are published to NATS',
    registers,
    async collect() {
      const position = await readPosition();
      if (position === undefined) this.remove();
      else this.set(Number(position));
    },
  });
  const published = new Counter({
    name: 'shiplog_events_published_total',
    help: 'Events that this process has published to NATS',
    registers,
  });
  const failures = new Counter({
    name: 'shiplog_event_publisher_failures_total',
    help: 'Times that the publication to NATS had to begin anew',
    registers,
  });
  return { published: (count) => published.inc(count), failed: () => failures.inc() };
}
