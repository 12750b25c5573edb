import type { Logger } from 'pino';
import { recorder } from '../commands/record.ts';
import { catalogue } from '../domain/catalogue.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import { createLogger } from '../infra/telemetry/logger.ts';
import { runViews } from '../infra/views/runner.ts';
import { projections } from '../projections/projections.ts';
import type { AnyJobHandler } from '../workers/job.ts';
import { openFoundation, openStore } from './compose.ts';
import { requireConfiguration } from './configuration.ts';
import type { HandlerEngines } from './job-handlers.ts';
import { jobConnections, openJobs } from './jobs.ts';
import { aborted, untilStopped } from './until-stopped.ts';
import { version } from './version.ts';
import { workOnWebhooks } from './webhook-work.ts';

/** `shiplog worker`: runs until SIGTERM or SIGINT; exit code 1 when it cannot start or cannot go on. */
export async function work(
  file: string | undefined,
  handlers?: (engines: HandlerEngines) => readonly AnyJobHandler[],
): Promise<void> {
  const configuration = await requireConfiguration(file);
  const logger = createLogger({ level: configuration.log.level });
  const signals = ['SIGTERM', 'SIGINT'] as const;
  await untilStopped({ logger, signals, failure: 'the worker cannot go on' }, (stopping) =>
    run(configuration, logger, stopping, handlers),
  );
}

async function run(
  configuration: Configuration,
  logger: Logger,
  stopping: AbortSignal,
  handlers: ((engines: HandlerEngines) => readonly AnyJobHandler[]) | undefined,
): Promise<void> {
  await using open = new AsyncDisposableStack();
  const foundation = await openFoundation({ configuration, logger, as: 'worker' });
  open.defer(foundation.close);
  const store = await openStore(configuration);
  open.defer(() => store.close());
  const { log, views: database } = foundation;
  const jobDatabase = await foundation.connectViews('shiplog jobs', jobConnections);
  open.defer(() => jobDatabase.close());
  const views = await runViews({
    ...{ log, database, catalogue, projections, waitMs: configuration.views.wait_seconds * 1000 },
    onStop: ({ member, error }) =>
      logger.error({ err: error, projection: member.projection.name }, 'a projection has stopped'),
    onOutage: (error) => logger.warn({ err: error }, 'the views cannot be brought forward now'),
  });
  open.defer(() => views.close());
  const record = recorder({ log, catalogue, newEventId });
  const jobs = openJobs({
    ...{ configuration, log, record, store, database, jobDatabase, views, logger },
    ...(handlers !== undefined && { handlers }),
  });
  open.defer(() => jobs.close());
  await views.caughtUp();
  const working = jobs.work();
  open.defer(() => working.stop());
  const { secrets } = foundation;
  const telling = workOnWebhooks({
    ...{ configuration, log, record, secrets, database, lockDatabase: jobDatabase, views, logger },
    userNames: foundation.userNames,
  });
  open.defer(() => telling.stop());
  logger.info({ version, engine: log.engine, store: store.product }, 'ready to work');
  const failure = await Promise.race([foundation.failed, aborted(stopping)]);
  if (failure !== undefined) throw failure;
}
