import { createServer as createHttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { guardConnections } from '../gateway/connections.ts';
import type { IsTrusted } from '../gateway/forwarded.ts';
import { metricsRoute } from '../gateway/metrics/http.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import { type CertificateFiles, readCertificate, renewCertificate } from './certificate.ts';

/** How long requests may take to end after a signal to stop, in milliseconds. */
const drainMs = 20_000;

interface Listener {
  readonly port: number;
  /** Looks at once whether the certificate has changed. */
  renewCertificate(): Promise<void>;
  /** Takes no new connections; those that are idle end at once, the others after their answer or a bounded time. */
  close(): Promise<void>;
}

interface ListenOptions {
  readonly address: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Without it the listener speaks plain HTTP. */
  readonly tls?: CertificateFiles;
}

/** What all listeners share. */
interface Serving {
  readonly http: Configuration['http'];
  readonly logger: Logger;
  readonly isTrustedProxy: IsTrusted;
}

/** Serves `app` on one address and port. Rejects with Node's error where the port is taken or forbidden. */
async function listen(
  app: FastifyInstance,
  { address, port, tls }: ListenOptions,
  { http, logger, isTrustedProxy }: Serving,
): Promise<Listener> {
  await app.ready();
  const headersTimeout = http.headers_timeout_seconds * 1000;
  const settings = {
    headersTimeout,
    connectionsCheckingInterval: Math.min(5000, headersTimeout / 2),
    // A body may take as long as it makes progress; `bodyStream` sees to that.
    requestTimeout: 0,
    keepAliveTimeout: http.idle_timeout_seconds * 1000,
    maxHeaderSize: 16 * 1024,
    // Judged by the application, whose answer says what is wrong.
    requireHostHeader: false,
  };
  const certificate = tls && (await readCertificate(tls));
  const tlsServer =
    certificate && createTlsServer({ ...settings, ...certificate, handshakeTimeout: headersTimeout });
  tlsServer?.on('tlsClientError', (error: NodeJS.ErrnoException, { remoteAddress: ip }) => {
    // Who only looks whether the port is open leaves in the middle of it.
    if (error.code !== 'ECONNRESET') logger.info({ ip, fault: error.code }, 'a client failed to set up TLS');
  });
  const server = tlsServer ?? createHttpServer(settings);
  guardConnections(server, app.routing, {
    logger,
    isTrustedProxy,
    limits: {
      maxConnections: http.max_connections,
      maxConnectionsPerAddress: http.max_connections_per_address,
      sendTimeoutMs: http.send_timeout_seconds * 1000,
    },
  });
  const renewal = tls && certificate && tlsServer && renewCertificate(tlsServer, tls, certificate, logger);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // A short backlog would reset the connections of a burst of clients.
    server.listen({ host: address, port, backlog: 4096 }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    renewCertificate: async () => renewal?.look(),
    close: () =>
      new Promise((resolve) => {
        renewal?.stop();
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
  /** Looks at once whether the certificate has changed; undefined where there is none. */
  readonly renewCertificate?: () => Promise<void>;
  close(): Promise<void>;
}

/** Opens every listener that is configured; metrics on their own port where one is named, else beside the API. */
export async function listenAsConfigured(
  { http, https, hostname, external_url, metric }: Configuration,
  app: FastifyInstance,
  { renderMetrics, ...ports }: Omit<Serving, 'http'> & { renderMetrics: Parameters<typeof metricsRoute>[2] },
): Promise<Listeners> {
  await using opening = new AsyncDisposableStack();
  const open = async (of: FastifyInstance, options: ListenOptions): Promise<Listener> => {
    const listener = await listen(of, options, { http, ...ports });
    opening.defer(listener.close);
    return listener;
  };
  const { address } = http;
  if (metric.enabled && metric.port === undefined) metricsRoute(app, metric.path, renderMetrics);
  if (metric.enabled && metric.port !== undefined) {
    const metrics = Fastify();
    metricsRoute(metrics, metric.path, renderMetrics);
    await open(metrics, { address, port: metric.port });
  }
  const plain = await open(app, { address, port: http.port });
  const tls = https && { certificate: https.certificate, privateKey: https.private_key };
  const encrypted = tls && (await open(app, { address, port: https.port, tls }));

  const bound =
    encrypted === undefined ? `http://${hostname}:${plain.port}` : `https://${hostname}:${encrypted.port}`;
  const url = new URL(external_url ?? bound);
  const opened = opening.move();
  return {
    url: url.origin,
    registry: url.host,
    plainHttp: url.protocol === 'http:',
    ...(encrypted && { renewCertificate: encrypted.renewCertificate }),
    close: () => opened.disposeAsync(),
  };
}
