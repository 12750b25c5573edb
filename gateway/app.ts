import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { v7 as newRequestId } from 'uuid';
import { type TokenServicePorts, tokenServiceRoutes } from './auth/token-service.ts';
import { errorBody, errorHandler, RequestRefused } from './errors.ts';
import { type HttpMetrics, measureRequests } from './metrics/http.ts';
import { type AccessPorts, catalogPermitter, permitter, pullQuestion } from './oci/access.ts';
import { type BlobPorts, blobRoutes } from './oci/blobs.ts';
import { drainRefusedBodies } from './oci/body.ts';
import { type CatalogPorts, catalogRoutes } from './oci/catalog.ts';
import { type ManifestPorts, manifestRoutes } from './oci/manifests.ts';
import { foldRepositoryName } from './oci/paths.ts';
import { type ReferrerPorts, referrerRoutes } from './oci/referrers.ts';
import { type TagPorts, tagRoutes } from './oci/tags.ts';
import { type UploadPorts, uploadRoutes } from './oci/uploads.ts';
import { traceRequests } from './tracing.ts';

export interface AppPorts
  extends AccessPorts,
    TokenServicePorts,
    Omit<BlobPorts, 'permit'>,
    Omit<UploadPorts, 'permit' | 'mayPull' | 'findBlob'>,
    Omit<ManifestPorts, 'permit'>,
    Omit<ReferrerPorts, 'permit'>,
    Omit<TagPorts, 'permit'>,
    Omit<CatalogPorts, 'permitCatalog'> {
  readonly logger: FastifyBaseLogger;
  readonly metrics: HttpMetrics;
  isOutage(error: unknown): boolean;
  /** Reads within `work` show what was recorded before this call; they find that out together. */
  asOfNow<Result>(work: () => Result): Result;
  /** Whether the views show at least what the log held at the start; before that a 404 would be a lie. */
  isReady(): boolean;
}

/** The HTTP application without its listeners. */
export function createApp(ports: AppPorts): FastifyInstance {
  const app = Fastify({
    loggerInstance: ports.logger,
    genReqId: () => newRequestId(),
    // One line a request, when it is answered; see `logRequests`.
    logController: new LogController({ disableRequestLogging: true }),
    rewriteUrl: ({ url = '/' }) => foldRepositoryName(url),
    exposeHeadRoutes: false,
    routerOptions: {
      // Fastify's default of 100 is below the length of a sha512 digest.
      maxParamLength: 1024,
      ignoreTrailingSlash: false,
    },
    frameworkErrors: (_error, request, reply: FastifyReply) => {
      markRegistry(request, reply);
      reply
        .code(400)
        .send(errorBody({ status: 400, code: 'NAME_INVALID', message: 'the path cannot be decoded' }));
    },
  });

  measureRequests(app, ports.metrics);
  logRequests(app);
  traceRequests(app);
  drainRefusedBodies(app);
  app.addHook('onRequest', async (request, reply) => markRegistry(request, reply));
  // Bodies are read by the routes, as streams, whatever their Content-Type says.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.setErrorHandler(errorHandler(ports.isOutage));
  app.setNotFoundHandler((request, reply) => {
    const message = `no route for ${request.method} here`;
    return reply.code(404).send(errorBody({ status: 404, code: 'UNSUPPORTED', message }));
  });

  async function requireReady(): Promise<void> {
    if (ports.isReady()) return;
    throw new RequestRefused({
      status: 503,
      code: 'UNAVAILABLE',
      message: 'the registry is starting',
      headers: { 'retry-after': '1' },
    });
  }

  app.register(async (service) => {
    service.addHook('onRequest', requireReady);
    service.addHook('preHandler', (_request, _reply, done) => ports.asOfNow(done));
    tokenServiceRoutes(service, ports);
  });
  app.register(async (oci) => {
    const permit = permitter(ports);
    oci.addHook('onRequest', requireReady);
    oci.addHook('preHandler', (_request, _reply, done) => ports.asOfNow(done));
    versionRoutes(oci, ports);
    blobRoutes(oci, { ...ports, permit });
    uploadRoutes(oci, { ...ports, permit, mayPull: pullQuestion(ports) });
    manifestRoutes(oci, { ...ports, permit });
    referrerRoutes(oci, { ...ports, permit });
    tagRoutes(oci, { ...ports, permit });
    catalogRoutes(oci, { ...ports, permitCatalog: catalogPermitter(ports) });
  });
  return app;
}

/** The access log. What probes and scrapers ask every few seconds is of interest to nobody. */
function logRequests(app: FastifyInstance): void {
  const quiet = new Set(['/healthz', '/readyz', '/metrics']);
  app.addHook('onResponse', async (request, reply) => {
    const { method, originalUrl, ip, headers } = request;
    request.log[quiet.has(originalUrl) ? 'debug' : 'info'](
      {
        method,
        url: originalUrl,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        ip,
        userAgent: headers['user-agent'],
      },
      'request',
    );
  });
}

/** Classic docker tells a registry by this header, on whatever answer it gets below `/v2`. */
function markRegistry({ originalUrl }: FastifyRequest, reply: FastifyReply): void {
  if (/^\/v2(?:[/?]|$)/.test(originalUrl)) reply.header('docker-distribution-api-version', 'registry/2.0');
}

/** distribution-spec, "Determining Support" (end-1). Clients learn here how to log in. */
function versionRoutes(app: FastifyInstance, { authenticate, challenge }: AccessPorts): void {
  for (const path of ['/v2/', '/v2']) {
    app.get(path, async (request) => {
      const { principal, token } = await authenticate(request);
      if (principal.kind !== 'anonymous' || token !== undefined) return {};
      throw challenge(request, { message: 'authentication required' });
    });
  }
}
