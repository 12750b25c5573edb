import type { HttpMetrics } from '../gateway/metrics/http.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { ReadCache } from '../infra/read-cache/port.ts';
import {
  createMetrics,
  exposeLogHead,
  exposeProjections,
  exposeReadCache,
} from '../infra/telemetry/metrics.ts';
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
      exposeLogHead(instruments, () => log.head());
      exposeReadCache(instruments, () => ({ ...cache.counts() }));
      exposeProjections(instruments, async () => {
        const [head, statuses] = await Promise.all([log.head(), views.status()]);
        return statuses.map(({ name, position, applied, stoppedAt }) => ({
          projection: name,
          position,
          lagEvents: Number(head > position ? head - position : 0n),
          appliedEvents: Number(applied),
          stopped: stoppedAt !== null,
        }));
      });
    },

    render: async () => ({
      contentType: instruments.registry.contentType,
      body: await instruments.registry.metrics(),
    }),
  };
}
