import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Everything that Shiplog measures; `registry` renders it for Prometheus. */
export interface Metrics {
  readonly registry: Registry;
  /** Seconds from the request's head to the end of the answer; `route` is the pattern, never the URL. */
  readonly httpRequestDuration: Histogram<'method' | 'route' | 'code'>;
  readonly httpRequestsInFlight: Gauge;
  /** Seconds of appends that succeeded. */
  readonly logAppendDuration: Histogram;
  readonly logAppendedEvents: Counter;
  readonly logConflicts: Counter;
  readonly backgroundEventsDropped: Counter;
  readonly garbageRuns: Counter<'status'>;
  /** By what went: `blob`, `manifest` or `orphan`. */
  readonly garbageRemoved: Counter<'kind'>;
  readonly garbageBytes: Counter;
}

/** The instruments, and the metrics of the process, in a registry of their own. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    httpRequestDuration: new Histogram({
      name: 'shiplog_http_request_duration_seconds',
      help: 'Duration of HTTP requests, uploads and downloads included',
      labelNames: ['method', 'route', 'code'],
      // From a cached manifest to an upload of gigabytes.
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 300],
      registers,
    }),
    httpRequestsInFlight: new Gauge({
      name: 'shiplog_http_requests_in_flight',
      help: 'HTTP requests that are being answered',
      registers,
    }),
    logAppendDuration: new Histogram({
      name: 'shiplog_log_append_duration_seconds',
      help: 'Duration of appends to the event log that succeeded',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers,
    }),
    logAppendedEvents: new Counter({
      name: 'shiplog_log_appended_events_total',
      help: 'Events in appends that succeeded, repeated appends included',
      registers,
    }),
    logConflicts: new Counter({
      name: 'shiplog_log_conflicts_total',
      help: 'Appends that were refused because the stream was not at the expected revision',
      registers,
    }),
    backgroundEventsDropped: new Counter({
      name: 'shiplog_background_events_dropped_total',
      help: 'Events that nobody waits for, such as logins, that could not be recorded',
      registers,
    }),
    garbageRuns: new Counter({
      name: 'shiplog_gc_runs_total',
      help: 'Runs of the collector of garbage that have ended',
      labelNames: ['status'],
      registers,
    }),
    garbageRemoved: new Counter({
      name: 'shiplog_gc_removed_total',
      help: 'Blobs and manifests that the collector of garbage has removed, and stored bytes that no event named',
      labelNames: ['kind'],
      registers,
    }),
    garbageBytes: new Counter({
      name: 'shiplog_gc_reclaimed_bytes_total',
      help: 'Stored bytes that the collector of garbage has deleted',
      registers,
    }),
  };
}

/** Shows how reads were answered, by the names that `read` gives; each only grows. */
export function exposeReadCache({ registry }: Metrics, read: () => Readonly<Record<string, number>>): void {
  new Counter({
    name: 'shiplog_cache_reads_total',
    help: 'Reads answered from memory (kept), from a view for the first time (asked), and past the cache (bypassed)',
    labelNames: ['answer'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [answer, count] of Object.entries(read())) this.inc({ answer }, count);
    },
  });
}

export interface ProjectionStatus {
  readonly projection: string;
  /** The position up to which its rows are. */
  readonly position: bigint;
  /** Events that it has applied since its rows were built. */
  readonly appliedEvents: number;
  /** Whether it has given up on an event and waits for an operator. */
  readonly stopped: boolean;
}

export interface Progress {
  /** The position of the log's last event. */
  head(): Promise<bigint>;
  projections(): Promise<readonly ProjectionStatus[]>;
}

/**
 * Shows the log's head and the projections as they are at each scrape, for which each is asked once. No samples of what
 * fails or does not answer within a second.
 */
export function exposeProgress({ registry }: Metrics, progress: Progress): void {
  const readHead = sharedInTime(() => progress.head());
  const readProjections = sharedInTime(() => progress.projections());
  const registers = [registry];
  new Gauge({
    name: 'shiplog_log_head_position',
    help: 'Position of the last event of the log',
    registers,
    async collect() {
      const head = await readHead();
      if (head === undefined) this.remove();
      else this.set(Number(head));
    },
  });

  const labelNames = ['projection'] as const;
  const gauge = (name: string, help: string, value: (status: ProjectionStatus) => number) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      async collect() {
        const statuses = await readProjections();
        this.reset();
        for (const status of statuses ?? []) this.set({ projection: status.projection }, value(status));
      },
    });
  gauge('shiplog_projection_position', 'Position up to which the projection is', ({ position }) =>
    Number(position),
  );
  new Gauge({
    name: 'shiplog_projection_lag_events',
    // Positions may have gaps, whereupon it is an estimate.
    help: 'Events that the projection has not applied',
    labelNames,
    registers,
    async collect() {
      const [head, statuses] = await Promise.all([readHead(), readProjections()]);
      this.reset();
      if (head === undefined) return;
      for (const { projection, position } of statuses ?? [])
        this.set({ projection }, Number(head > position ? head - position : 0n));
    },
  });
  gauge('shiplog_projection_stopped', '1 when the projection has given up', ({ stopped }) =>
    stopped ? 1 : 0,
  );
  new Counter({
    name: 'shiplog_projection_events_total',
    help: 'Events that the projection has applied',
    labelNames,
    registers,
    async collect() {
      const statuses = await readProjections();
      this.reset();
      for (const { projection, appliedEvents } of statuses ?? []) this.inc({ projection }, appliedEvents);
    },
  });
}

/** How long a scrape waits for the log and the views, which may be the very things that are down. Milliseconds. */
const scrapeWaitMs = 1000;

/** Asks once for all who want to know at the same time, also by another scrape; undefined as for `within`. */
export function sharedInTime<T>(read: () => Promise<T>): () => Promise<T | undefined> {
  let running: Promise<T | undefined> | undefined;
  return () => {
    running ??= within(scrapeWaitMs, read()).finally(() => {
      running = undefined;
    });
    return running;
  };
}

/** What `promise` resolves to; undefined when it rejects or takes longer, since a scrape shows what it can have. */
async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, undefined);
  });
  try {
    return await Promise.race([promise.catch(() => undefined), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
