import type { HttpMetrics } from '../gateway/metrics/http.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { ReadCache } from '../infra/read-cache/port.ts';
import { createMetrics, exposeProgress, exposeReadCache } from '../infra/telemetry/metrics.ts';
import type { Views } from '../infra/views/port.ts';
import type { GarbageRun } from '../workers/collect-garbage.ts';

/** The server's instruments, and how they are fed and read. */
export function serverMetrics() {
  const instruments = createMetrics();
  const http: HttpMetrics = {
    started: () => instruments.httpRequestsInFlight.inc(),
    finished(method, route, code, seconds) {
      instruments.httpRequestsInFlight.dec();
      instruments.httpRequestDuration.observe({ method, route, code }, seconds);
    },
  };

  return {
    instruments,
    http,

    garbageCollected({ status, blobs, manifests, orphans, bytes }: GarbageRun): void {
      instruments.garbageRuns.inc({ status });
      for (const [kind, removed] of Object.entries({ blob: blobs, manifest: manifests, orphan: orphans }))
        instruments.garbageRemoved.inc({ kind }, removed);
      instruments.garbageBytes.inc(bytes);
    },

    expose(log: EventLog, views: Views, cache: ReadCache): void {
      exposeReadCache(instruments, () => ({ ...cache.counts() }));
      exposeProgress(instruments, {
        head: () => log.head(),
        projections: async () =>
          (await views.status()).map(({ name, position, applied, stoppedAt }) => ({
            projection: name,
            position,
            appliedEvents: Number(applied),
            stopped: stoppedAt !== null,
          })),
      });
    },

    render: async () => ({
      contentType: instruments.registry.contentType,
      body: await instruments.registry.metrics(),
    }),
  };
}
