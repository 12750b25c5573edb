import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { idAllocator } from '../commands/allocate-id.ts';
import { firstStart } from '../commands/first-start.ts';
import { pinAuditSettings } from '../commands/pin-audit-settings.ts';
import { recorder } from '../commands/record.ts';
import { backgroundRecorder } from '../commands/record-in-background.ts';
import { seedConfiguration } from '../commands/seed-configuration.ts';
import { catalogue } from '../domain/catalogue.ts';
import { createApp } from '../gateway/app.ts';
import { healthRoutes } from '../gateway/health.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import { redisManifestCache } from '../infra/manifest-cache/redis.ts';
import { hashPassword } from '../infra/password-hash/argon2.ts';
import { openPersonalData } from '../infra/personal-data/postgres.ts';
import { succeedHolder } from '../infra/quota-claims/holder.ts';
import { noReadCache } from '../infra/read-cache/port.ts';
import { openReadCache } from '../infra/read-cache/read-cache.ts';
import { openRedis } from '../infra/redis/connect.ts';
import { exposeForwarding } from '../infra/telemetry/forwarding-metrics.ts';
import { createLogger } from '../infra/telemetry/logger.ts';
import { measuredLog } from '../infra/telemetry/measured-log.ts';
import { exposeQuotas } from '../infra/telemetry/quota-metrics.ts';
import { continueTrace, inSpan, startTracing } from '../infra/telemetry/tracing.ts';
import { exposeWebhooks } from '../infra/telemetry/webhook-metrics.ts';
import { runViews } from '../infra/views/runner.ts';
import { projections } from '../projections/projections.ts';
import { keepSweepingSessions } from '../workers/sweep-sessions.ts';
import { keepSweepingUploads } from '../workers/sweep-uploads.ts';
import { appPorts } from './app-ports.ts';
import { exportLifeMs } from './audit-export-parts.ts';
import { authSettings } from './auth-ports.ts';
import { openFoundation, openStore } from './compose.ts';
import { requireConfiguration } from './configuration.ts';
import { configurationSettings, registryUrl } from './configuration-parts.ts';
import { seedSchedules } from './configured-schedules.ts';
import { currentIn } from './contents.ts';
import { edgePorts } from './edge-ports.ts';
import { erasureParts, keepErasingUsers } from './erasure-parts.ts';
import { publishEvents } from './event-publication.ts';
import { forwardAudit, forwardingConnections, forwardingStatus } from './forwarding-parts.ts';
import { jobHandlers } from './job-handlers.ts';
import { jobConnections, openJobs } from './jobs.ts';
import { listenAsConfigured } from './listen.ts';
import { passwordFile } from './password-file.ts';
import { quotaReader, watchQuotas } from './quota-parts.ts';
import { serverMetrics } from './server-metrics.ts';
import { openSessionStore } from './session-store.ts';
import { systemParts } from './system-parts.ts';
import { keepSigningKey } from './token-keys.ts';
import { aborted, untilStopped } from './until-stopped.ts';
import { version } from './version.ts';
import { webhookSender } from './webhook-sender.ts';
import { waitingWebhooks, webhookRequests, workOnWebhooks } from './webhook-work.ts';
import { welcome } from './welcome.ts';

/**
 * `shiplog serve`: runs until SIGTERM, SIGINT or, where there is no certificate that it renews, SIGHUP; exit code 1 when
 * it cannot start or cannot go on.
 */
export async function serve(file: string | undefined): Promise<void> {
  const configuration = await requireConfiguration(file);
  const logger = createLogger({ level: configuration.log.level });
  for (const key of configuration.unused) logger.warn(`${key} is configured, but nothing uses it`);

  for (const project of configuration.anonymous_write)
    logger.warn(`ANYBODY may push to and delete from the project ${project}, as anonymous_write says`);

  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
  await untilStopped({ logger, signals, failure: 'Shiplog cannot go on' }, (stopping, onHangUp) =>
    run(configuration, logger, stopping, onHangUp),
  );
}

async function run(
  configuration: Configuration,
  logger: Logger,
  stopping: AbortSignal,
  onHangUp: (work: () => void) => void,
): Promise<void> {
  await using open = new AsyncDisposableStack();

  const tracing = await traceAsConfigured(configuration, logger);
  open.defer(() => tracing?.stop());
  const foundation = await openFoundation({ configuration, logger, as: 'server' });
  open.defer(foundation.close);
  const { secrets } = foundation;
  const personalData = await openPersonalData(foundation.views, secrets);
  const store = await openStore(configuration);
  open.defer(() => store.close());

  const metrics = serverMetrics();
  const log = measuredLog(foundation.log, metrics.instruments);
  const record = recorder({ log, catalogue, newEventId });
  const onDropped = (events: number) => metrics.instruments.backgroundEventsDropped.inc(events);
  const onError = (error: unknown) =>
    logger.error({ err: error }, 'events cannot be recorded and are dropped');
  const background = backgroundRecorder({ log, catalogue, newEventId, onDropped, onError });
  open.defer(() => background.close());
  const views = await runViews({
    log,
    database: foundation.views,
    catalogue,
    projections,
    waitMs: configuration.views.wait_seconds * 1000,
    onStop: ({ member, event, error }) =>
      logger.error(
        {
          err: error,
          projection: member.projection.name,
          position: String(event.position),
          event: event.type,
        },
        'a projection cannot apply an event and has stopped before it',
      ),
    onOutage: (error) => logger.warn({ err: error }, 'the views cannot be brought forward now'),
    whileApplying: (events, apply) =>
      // A batch can belong to many requests; its span goes to the first that is traced.
      continueTrace(events.find(({ metadata }) => metadata.traceparent)?.metadata ?? {}, () =>
        inSpan('project', { 'shiplog.events': events.length }, apply),
      ),
  });
  open.defer(() => views.close());
  const { enabled, entries, expire_hours } = configuration.cache;
  const cache = enabled
    ? await openReadCache({
        ...{ log, views, catalogue, max: entries },
        onOutage: (error) => logger.warn({ err: error }, 'the log cannot be followed; reads go to the views'),
      })
    : noReadCache;
  open.defer(() => cache.close());
  metrics.expose(log, views, cache);
  exposeQuotas(metrics.instruments, quotaReader(foundation.views.kysely, currentIn(views)));
  const webhookOutcomes = exposeWebhooks(metrics.instruments, waitingWebhooks(foundation.views, views));

  const first = passwordFile(join(resolve(configuration.data), 'admin-password'));
  let ready = false;
  const redis = await openRedis(configuration, logger);
  open.defer(() => redis?.disconnect());
  const sessionStore = await openSessionStore(redis, foundation.views, secrets);
  const edge = edgePorts(configuration, redis, logger);
  const isReady = () => ready;
  const system = systemParts(configuration, {
    ...{ log, views, store, redis, isReady },
    database: foundation.views,
  });
  const forwarded = forwardingStatus({ configuration, log, database: foundation.views });
  const jobDatabase = await foundation.connectViews('shiplog jobs', jobConnections);
  open.defer(() => jobDatabase.close());
  const jobs = openJobs({
    ...{ configuration, log, record, store, database: foundation.views, jobDatabase, views, logger },
    handlers: (engines) =>
      jobHandlers(engines, (run) => {
        metrics.garbageCollected(run);
        logger.info(run, 'garbage was collected');
      }),
  });
  open.defer(() => jobs.close());
  const erasure = {
    ...{ configuration, log, record, personalData, sessionStore, logger },
    ...{ userNames: foundation.userNames, database: foundation.views, lockDatabase: jobDatabase },
  };
  const ports = appPorts({
    ...{ logger, log, record, store, secrets, personalData, views, cache, jobs },
    sharedManifests:
      enabled && redis !== undefined ? redisManifestCache(redis, expire_hours * 3600) : undefined,
    database: foundation.views,
    maxOpenUploads: configuration.uploads.max_open,
    auditExportLifeMs: exportLifeMs(configuration),
    redirectPulls: !configuration.storage_service.redirect.disable,
    settings: configurationSettings(configuration),
    events: { ...configuration.events, source: registryUrl(configuration) },
    system: { ...system, ...forwarded },
    sender: webhookSender(configuration),
    quotaHolder: await succeedHolder(foundation.views, join(resolve(configuration.data), 'quota-holder')),
    erasures: erasureParts(erasure),
    auth: { log, record, background, secrets, sessionStore, ...authSettings(configuration) },
    // Logins need not wait behind thousands of pulls.
    pulls: {
      background: backgroundRecorder({ log, catalogue, newEventId, onDropped, onError }),
      onDropped,
    },
    isReady,
    atEnd: (work) => open.defer(work),
  });
  const app = createApp({ ...ports, metrics: metrics.http, ...edge });
  healthRoutes(app, {
    log: async () => void (await log.head()),
    views: async () => {
      if (!ready) throw new Error('the views are being brought up to date');
      views.requireCurrent();
      await foundation.views.pool.query('SELECT 1');
    },
  });
  const listeners = await listenAsConfigured(configuration, app, {
    renderMetrics: metrics.render,
    logger,
    isTrustedProxy: edge.isTrustedProxy,
  });
  open.defer(listeners.close);
  open.defer(() => ports.api.events.head.stop());
  const { renewCertificate } = listeners;
  if (renewCertificate !== undefined) onHangUp(() => void renewCertificate());

  const isFirstStart = (await log.head()) === 0n;
  await firstStart({ log, record, hashPassword, ...first }, configuration.harbor_admin_password?.reveal());
  const { seeds } = configuration.runTime;
  if (Object.keys({ ...seeds.items, ...seeds.secrets }).length > 0)
    await seedConfiguration({ record, secrets })(seeds);
  await pinAuditSettings({ record })(configuration.runTime.pinned?.items ?? {});
  const signing = await keepSigningKey(configuration, { log, record, secrets }, logger);
  open.defer(() => signing.stop());
  await seedSchedules({ record, allocateId: idAllocator({ log, catalogue, newEventId }) }, configuration);
  const forwardDatabase = await foundation.connectViews(
    'shiplog audit forwarding',
    forwardingConnections(configuration),
  );
  open.defer(() => forwardDatabase.close());
  const forwarding = await forwardAudit({
    ...{ configuration, log, logger, settings: ports.api },
    ...{ database: foundation.views, lockDatabase: forwardDatabase },
    meters: exposeForwarding(metrics.instruments, async () => {
      const { audit_log_forward_endpoint: endpoint } = await ports.api.configuration();
      return forwarded.progress(endpoint);
    }),
  });
  open.defer(() => forwarding.stop());
  await views.caughtUp();
  await webhookRequests({ configuration, log, views, database: foundation.views }).begin();
  ready = true;
  logger.info({ version, engine: log.engine, store: store.product }, `ready at ${listeners.url}`);
  const greeting = welcome({ ...listeners, passwordFile: await first.path() });
  if (process.stdout.isTTY) console.log(greeting);
  // Standard output belongs to the log there, but whoever starts it for the first time has to learn of the password.
  else if (isFirstStart) console.error(greeting);

  const sweeping = keepSweepingUploads({ store, logger, settings: configuration.upload_purging });
  open.defer(() => sweeping.stop());
  const sweepingSessions = keepSweepingSessions({ store: sessionStore, logger });
  open.defer(() => sweepingSessions.stop());
  const watchingQuotas = watchQuotas(
    {
      ...{ record, database: foundation.views, lockDatabase: jobDatabase, logger },
      configuration: ports.api.configuration,
    },
    currentIn(views),
  );
  open.defer(() => watchingQuotas.stop());
  const erasing = keepErasingUsers(erasure);
  open.defer(() => erasing.stop());
  const { instruments } = metrics;
  const publishing = await publishEvents({ configuration, foundation, log, views, logger, instruments });
  open.defer(() => publishing?.stop());
  if (configuration.jobservice.enabled) {
    const working = jobs.work();
    open.defer(() => working.stop());
    const telling = workOnWebhooks({
      ...{ configuration, log, record, secrets, views, logger },
      ...{ database: foundation.views, lockDatabase: jobDatabase, userNames: foundation.userNames },
      onOutcome: (outcome) => webhookOutcomes.inc({ outcome }),
    });
    open.defer(() => telling.stop());
  }
  const failure = await Promise.race([foundation.failed, aborted(stopping)]);
  ready = false;
  if (failure !== undefined) throw failure;
}

async function traceAsConfigured({ trace }: Configuration, logger: Logger) {
  const { enabled, otel, sample_rate, namespace, attributes } = trace;
  if (!enabled || otel === undefined) return undefined;
  return startTracing({
    endpoint: otel.endpoint,
    urlPath: otel.url_path,
    sampleRate: sample_rate,
    insecure: otel.insecure,
    timeoutMs: otel.timeout * 1000,
    compression: otel.compression,
    serviceName: 'shiplog',
    version,
    namespace,
    attributes,
    report: (problem) => logger.warn(`traces: ${problem}`),
  });
}
