import type { Logger } from 'pino';
import { catalogue } from '../domain/catalogue.ts';
import { cloudEventOf } from '../domain/public-event/cloud-event.ts';
import { followedNames } from '../domain/public-event/project-names.ts';
import { publicEventOf } from '../domain/public-event/public-event.ts';
import { postgresCheckpoints } from '../infra/checkpoints/postgres.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import { aloneIn } from '../infra/database/alone.ts';
import { viewOf } from '../infra/database/projection.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { jetStreamPublisher } from '../infra/event-publisher/jetstream.ts';
import type { LastPublished } from '../infra/event-publisher/port.ts';
import type { Metrics } from '../infra/telemetry/metrics.ts';
import { exposePublisher } from '../infra/telemetry/publisher-metrics.ts';
import type { Views } from '../infra/views/port.ts';
import { type PublicEventsDatabase, publicEvents } from '../projections/public-events/projection.ts';
import { projectNumbersAt } from '../projections/public-events/queries.ts';
import { keepPublishing } from '../workers/publish-events.ts';
import type { Foundation } from './compose.ts';
import { registryUrl } from './configuration-parts.ts';
import { firstAfter, oldestBehind } from './oldest-behind.ts';
import { publisherOptions } from './settings.ts';

export interface PublicationEngines {
  readonly configuration: Configuration;
  readonly foundation: Pick<Foundation, 'views' | 'connectViews'>;
  readonly log: EventLog;
  readonly views: Pick<Views, 'reached'>;
  readonly logger: Logger;
  readonly instruments: Metrics;
}

/** Publishes events to NATS, in one process of all, until it is stopped; undefined where it is not configured. */
export async function publishEvents({
  configuration,
  foundation,
  log,
  views,
  logger,
  instruments,
}: PublicationEngines): Promise<{ stop(): Promise<void> } | undefined> {
  const { nats } = configuration.events;
  if (nats === undefined) return undefined;
  const options = await publisherOptions(nats);
  // Held by the lock for as long as this process publishes.
  const lockDatabase = await foundation.connectViews('shiplog events', 1);
  const source = registryUrl(configuration);
  const inEvents = viewOf<PublicEventsDatabase>(foundation.views.kysely, publicEvents);
  let names = followedNames();
  const warn = (message: string) => logger.warn(message);

  const measured = exposePublisher(instruments, {
    position: () => publishing.position(),
    recordedAfter: oldestBehind(log),
  });
  const publishing = keepPublishing({
    ...{ log, catalogue, warn },
    alone: aloneIn(lockDatabase, 'publish-events'),
    checkpoints: postgresCheckpoints(foundation.views),
    publisher: jetStreamPublisher(options, { warn }),
    stream: nats.stream,
    from: nats.from,
    async begin(position) {
      await views.reached(position, [publicEvents]);
      names = followedNames(await projectNumbersAt(inEvents, position));
    },
    outgoing(event) {
      names.observe(event);
      const told = publicEventOf(event, names);
      if (told === undefined) return undefined;
      const { id, position, project, type } = told;
      return { id, position, project, type, cloudEvent: cloudEventOf(told, { source, showsOrigin: false }) };
    },
    isOfLog: isOf(log),
    onPublished: (count) => measured.published(count),
    onFailure(error) {
      measured.failed();
      logger.warn({ err: error }, 'events cannot be published to NATS now; they wait in the log');
    },
  });
  return {
    async stop() {
      await publishing.stop();
      await lockDatabase.close();
    },
  };
}

const isOf =
  (log: EventLog) =>
  async ({ id, position }: LastPublished): Promise<boolean> => {
    if (position > (await log.head())) return false;
    // EventStoreDB reads from places of events alone, and which one is before this nobody knows.
    if (log.engine === 'eventstoredb') return true;
    return (await firstAfter(log, position - 1n))?.id === id;
  };
