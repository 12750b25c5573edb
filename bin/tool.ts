import { type Recorder, recorder } from '../commands/record.ts';
import { catalogue } from '../domain/catalogue.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import type { Database } from '../infra/database/connect.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { createLogger } from '../infra/telemetry/logger.ts';
import { type RunningViews, runViews } from '../infra/views/runner.ts';
import { projections } from '../projections/projections.ts';
import { openFoundation, openStore } from './compose.ts';
import { requireConfiguration } from './configuration.ts';

export interface Tool {
  readonly configuration: Configuration;
  readonly log: EventLog;
  readonly record: Recorder;
  readonly store: BlobStore;
  readonly database: Database;
  readonly views: RunningViews;
  /** Aborted by SIGINT and SIGTERM; a second signal ends the process at once. */
  readonly stopping: AbortSignal;
}

/** A tool that writes asks the views what they show, for which somebody has to apply the log: a server, or the tool. */
const waitMs = 60_000;

/**
 * Runs `work` beside the servers of an installation, or without any, on views that show the whole log.
 * @param failureCode the exit code where the configuration is wrong, or a second signal ends the process
 */
export async function asTool<Result>(
  file: string | undefined,
  work: (tool: Tool) => Promise<Result>,
  failureCode = 1,
): Promise<Result> {
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(failureCode);
      stopping.abort();
    });
  const configuration = await requireConfiguration(file, failureCode);
  const logger = createLogger({ level: 'warn' });
  await using open = new AsyncDisposableStack();
  const { log, views: database, close } = await openFoundation({ configuration, logger, as: 'tool' });
  open.defer(close);
  const store = await openStore(configuration);
  open.defer(() => store.close());
  const views = await runViews({
    ...{ log, database, catalogue, projections, waitMs },
    onStop: ({ member, error }) =>
      logger.error({ err: error, projection: member.projection.name }, 'a projection has stopped'),
    onOutage: (error) => logger.warn({ err: error }, 'the views cannot be brought forward now'),
  });
  open.defer(() => views.close());
  await views.caughtUp();
  const record = recorder({ log, catalogue, newEventId });
  // Awaited, so that nothing is closed under it.
  return await work({ configuration, log, record, store, database, views, stopping: stopping.signal });
}
