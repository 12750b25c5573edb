import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { metricsRoute } from '../gateway/metrics/http.ts';
import type { Configuration } from '../infra/configuration/schema.ts';

/** How long a client may take for the headers of a request, in milliseconds. */
const headersTimeoutMs = 30_000;
/** Longer than the idle time of common load balancers, which must be the one to close. Milliseconds. */
const keepAliveTimeoutMs = 75_000;

/** How long requests may take to end after a signal to stop, in milliseconds. */
const drainMs = 20_000;

interface Listener {
  readonly port: number;
  /** Takes no new connections; those that are idle end at once, the others after their answer or a bounded time. */
  close(): Promise<void>;
}

interface ListenOptions {
  readonly address: string;
  /** 0 for any free one. */
  readonly port: number;
  /** PEM files; without them the listener speaks plain HTTP. */
  readonly tls?: { readonly certificate: string; readonly privateKey: string };
}

/** Serves `app` on one address and port. Rejects with Node's error where the port is taken or forbidden. */
async function listen(app: FastifyInstance, { address, port, tls }: ListenOptions): Promise<Listener> {
  await app.ready();
  const settings = {
    headersTimeout: headersTimeoutMs,
    requestTimeout: 0,
    keepAliveTimeout: keepAliveTimeoutMs,
  };
  const server: Server =
    tls === undefined
      ? createHttpServer(settings, app.routing)
      : createTlsServer(
          {
            ...settings,
            cert: await readFile(tls.certificate),
            key: await readFile(tls.privateKey),
            minVersion: 'TLSv1.2',
          },
          app.routing,
        );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // A short backlog would reset the connections of a burst of clients.
    server.listen({ host: address, port, backlog: 4096 }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), drainMs);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

export interface Listeners {
  /** Where clients reach the registry, as the configuration says or as it was bound. */
  readonly url: string;
  /** What clients write before a repository's name. */
  readonly registry: string;
  readonly plainHttp: boolean;
  close(): Promise<void>;
}

/** Opens every listener that is configured; metrics on their own port where one is named, else beside the API. */
export async function listenAsConfigured(
  { http, https, hostname, external_url, metric }: Configuration,
  app: FastifyInstance,
  renderMetrics: Parameters<typeof metricsRoute>[2],
): Promise<Listeners> {
  await using opening = new AsyncDisposableStack();
  const open = async (of: FastifyInstance, options: ListenOptions): Promise<number> => {
    const listener = await listen(of, options);
    opening.defer(listener.close);
    return listener.port;
  };
  const { address } = http;
  if (metric.enabled && metric.port === undefined) metricsRoute(app, metric.path, renderMetrics);
  if (metric.enabled && metric.port !== undefined) {
    const metrics = Fastify();
    metricsRoute(metrics, metric.path, renderMetrics);
    await open(metrics, { address, port: metric.port });
  }
  const httpPort = await open(app, { address, port: http.port });
  const tls = https && { certificate: https.certificate, privateKey: https.private_key };
  const httpsPort = tls && (await open(app, { address, port: https.port, tls }));

  const bound =
    httpsPort === undefined ? `http://${hostname}:${httpPort}` : `https://${hostname}:${httpsPort}`;
  const url = new URL(external_url ?? bound);
  const opened = opening.move();
  return {
    url: url.origin,
    registry: url.host,
    plainHttp: url.protocol === 'http:',
    close: () => opened.disposeAsync(),
  };
}
