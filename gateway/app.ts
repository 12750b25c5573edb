import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type onRequestHookHandler,
} from 'fastify';
import type { RateLimit } from '../infra/rate-limit/port.ts';
import { type ManagementPorts, managementApi } from './api/routes.ts';
import { cleanApiPath } from './api/unknown-paths.ts';
import { type BrowserPorts, browserRoutes } from './auth/browser-routes.ts';
import { type CsrfPorts, refuseForgedRequests } from './auth/csrf.ts';
import { identifyWith } from './auth/identify.ts';
import { type TokenServicePorts, tokenServiceRoutes } from './auth/token-service.ts';
import { errorBody, errorHandler, RequestRefused } from './errors.ts';
import { heedTrustedProxies, type IsTrusted } from './forwarded.ts';
import { type HttpMetrics, measureRequests } from './metrics/http.ts';
import { type AccessPorts, catalogPermitter, permitter, pullQuestion } from './oci/access.ts';
import { type BlobPorts, blobRoutes } from './oci/blobs.ts';
import { type BodyPatience, drainRefusedBodies } from './oci/body.ts';
import { type CatalogPorts, catalogRoutes } from './oci/catalog.ts';
import { leaveContentTypeToRoutes } from './oci/content-type.ts';
import { type ManifestPorts, manifestRoutes } from './oci/manifests.ts';
import { foldRepositoryName } from './oci/paths.ts';
import { type ReferrerPorts, referrerRoutes } from './oci/referrers.ts';
import { type TagPorts, tagRoutes } from './oci/tags.ts';
import { type UploadPorts, uploadRoutes } from './oci/uploads.ts';
import { limitAddresses } from './rate-limit.ts';
import { refuseWhileReadOnly } from './read-only.ts';
import { pathOf, refuseDoubtfulRequests, refuseEncodedBodies } from './request-form.ts';
import { requestIds } from './request-id.ts';
import { traceRequests } from './tracing.ts';
import { answerUnroutable } from './unroutable.ts';

export interface AppPorts
  extends AccessPorts,
    ManagementPorts,
    Omit<TokenServicePorts, 'sessions'>,
    Pick<BrowserPorts, 'sessionLogin'>,
    Omit<BlobPorts, 'permit'>,
    Omit<UploadPorts, 'permit' | 'mayPull' | 'findBlob'>,
    Omit<ManifestPorts, 'permit'>,
    Omit<ReferrerPorts, 'permit'>,
    Omit<TagPorts, 'permit'>,
    Omit<CatalogPorts, 'permitCatalog'> {
  readonly logger: FastifyBaseLogger;
  readonly csrf: CsrfPorts;
  readonly metrics: HttpMetrics;
  isOutage(error: unknown): boolean;
  /** Reads within `work` show what was recorded before this call; they find that out together. */
  asOfNow<Result>(work: () => Result): Result;
  /** Whether the views show at least what the log held at the start; before that a 404 would be a lie. */
  isReady(): boolean;
  readonly bodyPatience: BodyPatience;
  readonly isTrustedProxy: IsTrusted;
  /** What one address may ask, whoever logs in there; undefined for no limit. */
  readonly addressLimit?: RateLimit | undefined;
}

/**
 * The HTTP application without its listeners. Its hooks call back, since a promise for each would cost a request more
 * than what they do.
 */
export function createApp(ports: AppPorts): FastifyInstance {
  const app = Fastify({
    loggerInstance: ports.logger,
    genReqId: requestIds(),
    trustProxy: ports.isTrustedProxy,
    // One line a request, when it is answered; see `logAnswer`.
    logController: new LogController({ disableRequestLogging: true }),
    rewriteUrl: ({ url = '/' }) => foldRepositoryName(cleanApiPath(pathOf(url))),
    exposeHeadRoutes: false,
    routerOptions: {
      // The routes judge names, references and sessions, in their own words, however long; Node bounds the whole line.
      maxParamLength: 16 * 1024,
      ignoreTrailingSlash: false,
    },
    frameworkErrors: (_error, request, reply: FastifyReply) => {
      markAnswer(request, reply);
      // No hook sees such a request: nobody else would log it, or read a body that it may have.
      reply.raw.once('finish', () => logAnswer(request, reply));
      reply
        .code(400)
        .header('connection', 'close')
        .send(errorBody({ status: 400, code: 'NAME_INVALID', message: 'the path cannot be decoded' }));
    },
  });

  app.decorate('bodyPatience', ports.bodyPatience);
  heedTrustedProxies(app, ports.isTrustedProxy);
  measureRequests(app, ports.metrics);
  logRequests(app);
  traceRequests(app);
  drainRefusedBodies(app);
  app.addHook('onRequest', (request, reply, done) => {
    markAnswer(request, reply);
    done();
  });
  limitAddresses(app, ports.addressLimit, healthChecks);
  refuseDoubtfulRequests(app);
  refuseEncodedBodies(app);
  refuseForgedRequests(app, ports.csrf, probes);
  leaveContentTypeToRoutes(app);
  // Bodies are read by the routes, as streams, whatever their Content-Type says.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.setErrorHandler(errorHandler(ports.isOutage));
  answerUnroutable(app);

  const requireReady: onRequestHookHandler = (_request, _reply, done) =>
    done(ports.isReady() ? undefined : starting());

  managementApi(app, ports);
  app.register(async (service) => {
    service.addHook('onRequest', requireReady);
    service.addHook('preHandler', (_request, _reply, done) => ports.asOfNow(done));
    tokenServiceRoutes(service, ports);
  });
  app.register(async (browser) => {
    const { queries, emailKeyOf, configuration } = ports.api;
    browser.addHook('onRequest', requireReady);
    browser.addHook('preHandler', (_request, _reply, done) => ports.asOfNow(done));
    browserRoutes(browser, {
      ...ports,
      configuration,
      identify: identifyWith(ports),
      usernameIsTaken: async (name) => (await queries.findUserByName(name)) !== undefined,
      emailIsTaken: async (email) => (await queries.findLoginUser(emailKeyOf(email))) !== undefined,
    });
  });
  app.register(async (oci) => {
    const permit = permitter(ports);
    oci.addHook('onRequest', requireReady);
    oci.addHook('preHandler', (_request, _reply, done) => ports.asOfNow(done));
    oci.addHook('preHandler', (request) => refuseWhileReadOnly(ports.api, request));
    versionRoutes(oci, ports);
    blobRoutes(oci, { ...ports, permit });
    uploadRoutes(oci, { ...ports, permit, mayPull: pullQuestion(ports) });
    manifestRoutes(oci, { ...ports, permit });
    referrerRoutes(oci, { ...ports, permit: permitter(ports, 'no project') });
    tagRoutes(oci, { ...ports, permit });
    catalogRoutes(oci, { ...ports, permitCatalog: catalogPermitter(ports) });
  });
  return app;
}

const starting = () =>
  new RequestRefused({
    status: 503,
    code: 'UNAVAILABLE',
    message: 'the registry is starting',
    headers: { 'retry-after': '1' },
  });

/** Who watches over the registry must not take it for dead because others at his address ask too much. */
const healthChecks: ReadonlySet<string> = new Set([
  '/healthz',
  '/readyz',
  '/api/v2.0/ping',
  '/api/v2.0/health',
]);
/** What is asked every few seconds. */
const probes: ReadonlySet<string> = new Set([...healthChecks, '/metrics']);

/** The access log; probes are of interest to nobody. */
function logRequests(app: FastifyInstance): void {
  app.addHook('onResponse', (request, reply, done) => {
    logAnswer(request, reply);
    done();
  });
}

function logAnswer({ method, originalUrl, ip, headers, log }: FastifyRequest, reply: FastifyReply): void {
  log[probes.has(originalUrl) ? 'debug' : 'info'](
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
}

/** What every answer carries: the id under which the log has the request, and the mark of a registry below `/v2`. */
function markAnswer({ id, originalUrl }: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', id);
  // Classic docker tells a registry by this header, also on errors.
  if (/^\/v2(?:[/?]|$)/.test(pathOf(originalUrl)))
    reply.header('docker-distribution-api-version', 'registry/2.0');
}

/** distribution-spec, "Determining Support" (end-1). Clients learn here how to log in. */
function versionRoutes(app: FastifyInstance, { authenticate, challenge, limit }: AccessPorts): void {
  for (const path of ['/v2/', '/v2']) {
    app.route({
      // Who only watches whether a registry is there asks by HEAD.
      method: ['GET', 'HEAD'],
      url: path,
      async handler(request) {
        const { principal, token } = await authenticate(request);
        await limit(principal, request.ip);
        if (principal.kind !== 'anonymous' || token !== undefined) return {};
        throw challenge(request, { message: 'authentication required' });
      },
    });
  }
}
