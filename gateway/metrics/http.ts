import type { FastifyInstance, FastifyRequest } from 'fastify';

export interface HttpMetrics {
  started(): void;
  /** @param route the pattern and never the path, so that the number of series stays bounded. */
  finished(method: string, route: string, status: number, seconds: number): void;
}

/** Counts and times every request of `app`. */
export function measureRequests(app: FastifyInstance, metrics: HttpMetrics): void {
  const open = new WeakSet<FastifyRequest>();
  app.addHook('onRequest', (request, reply, done) => {
    open.add(request);
    metrics.started();
    // Also when the client goes away before the answer, in which case Fastify's own hook is not called.
    reply.raw.once('close', () => {
      if (!open.delete(request)) return;
      const route = request.routeOptions.url ?? 'unknown';
      metrics.finished(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    });
    done();
  });
}

/** The text that Prometheus scrapes. */
export function metricsRoute(
  app: FastifyInstance,
  path: string,
  render: () => Promise<{ readonly contentType: string; readonly body: string }>,
): void {
  app.get(path, async (_request, reply) => {
    const { contentType, body } = await render();
    return reply.header('content-type', contentType).send(body);
  });
}
