import type { Logger } from 'pino';
import { deliveryIdsAllocator } from '../commands/allocate-delivery-ids.ts';
import { idsAllocator } from '../commands/allocate-id.ts';
import { openSigning } from '../commands/change-webhook-secret.ts';
import { pauseWebhookPolicy } from '../commands/pause-webhook-policy.ts';
import type { Recorder } from '../commands/record.ts';
import { furtherAttempts, recordWebhookAttempt } from '../commands/record-webhook-attempt.ts';
import { requestWebhookDeliveries } from '../commands/request-webhook-deliveries.ts';
import { openTarget } from '../commands/webhook-targets.ts';
import { catalogue } from '../domain/catalogue.ts';
import { overlaid } from '../domain/configuration/items.ts';
import type { DeliveryEvent } from '../domain/webhook-delivery/events.ts';
import { postgresCheckpoints } from '../infra/checkpoints/postgres.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import { aloneIn } from '../infra/database/alone.ts';
import type { Database } from '../infra/database/connect.ts';
import { withNamedLocks } from '../infra/database/named-locks.ts';
import { viewOf } from '../infra/database/projection.ts';
import { derivedEventId, newEventId } from '../infra/event-log/ids.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { SealBroken, type SecretBox } from '../infra/secrets/port.ts';
import type { WebhookOutcomeLabel } from '../infra/telemetry/webhook-metrics.ts';
import type { UserNames } from '../infra/user-names/port.ts';
import type { Views } from '../infra/views/port.ts';
import { postgresWebhookAttempts } from '../infra/webhook-attempts/postgres.ts';
import { messageId, webhookHeaders } from '../infra/webhook-sender/signature.ts';
import {
  type ConfigurationDatabase,
  configuration as configurationView,
} from '../projections/configuration/projection.ts';
import { readConfiguration } from '../projections/configuration/queries.ts';
import { type ProjectsDatabase, projects } from '../projections/projects/projection.ts';
import { findProjectsByName } from '../projections/projects/queries.ts';
import { type RepositoriesDatabase, repositories } from '../projections/repositories/projection.ts';
import { findCreationTimes } from '../projections/repositories/queries.ts';
import {
  type WebhookDeliveriesDatabase,
  webhookDeliveries,
} from '../projections/webhook-deliveries/projection.ts';
import {
  headOf,
  lastToldPosition,
  queueHeads,
  tellingSince,
  waiting,
} from '../projections/webhook-deliveries/queues.ts';
import { sweepSlice } from '../projections/webhook-deliveries/sweep-slice.ts';
import { type WebhooksDatabase, webhooks } from '../projections/webhooks/projection.ts';
import { enabledPolicies, findWebhookPolicyById } from '../projections/webhooks/queries.ts';
import { attemptDelivery } from '../workers/attempt-delivery.ts';
import { keepDelivering } from '../workers/deliver-webhooks.ts';
import { keepFollowing } from '../workers/follow-log.ts';
import { requestWebhooks } from '../workers/request-webhooks.ts';
import { keepSweepingAttempts } from '../workers/sweep-webhook-attempts.ts';
import { sweepWebhookDeliveries } from '../workers/sweep-webhook-deliveries.ts';
import { configurationSettings } from './configuration-parts.ts';
import { currentIn } from './contents.ts';
import { version } from './version.ts';
import { webhookSender } from './webhook-sender.ts';

export interface WebhookEngines {
  readonly configuration: Configuration;
  readonly log: EventLog;
  readonly record: Recorder;
  readonly secrets: SecretBox;
  readonly userNames: UserNames;
  /** The connections of the requests. */
  readonly database: Database;
  /** Has three connections to spare, which hold locks. */
  readonly lockDatabase: Database;
  readonly views: Views;
  readonly logger: Pick<Logger, 'warn'>;
  /** Is told what each attempt of this process has come to. */
  onOutcome?(outcome: WebhookOutcomeLabel): void;
}

const channel = 'shiplog_webhooks';
const dayMs = 24 * 3_600_000;

/** Tells who delivers that the queues have something at this position, in every process. */
export const wakeDelivering = async ({ pool }: Pick<Database, 'pool'>, position: bigint): Promise<void> => {
  await pool.query('SELECT pg_notify($1, $2)', [channel, String(position)]);
};

/** By which clients reach the registry, as payloads name it. */
export const registryHost = (configuration: Configuration): string =>
  new URL(String(configurationSettings(configuration).deployment.ext_endpoint)).host;

/** What waits, for who measures it. */
export const waitingWebhooks = ({ kysely }: Pick<Database, 'kysely'>, views: Views) =>
  currentIn(views)(waiting.bind(undefined, viewOf<WebhookDeliveriesDatabase>(kysely, webhookDeliveries)));

const outcomes: Readonly<Record<DeliveryEvent['type'], WebhookOutcomeLabel>> = {
  WebhookDelivered: 'delivered',
  WebhookAttemptFailed: 'failed',
  WebhookDeliveryGivenUp: 'given_up',
};

/**
 * What asks for the deliveries of what happens. Its `begin` marks where that begins, if it has not begun; a server does so before
 * it serves, so that nothing is left out that happens before anybody works.
 */
export function webhookRequests(
  engines: Pick<WebhookEngines, 'configuration' | 'log' | 'database' | 'views'>,
): ReturnType<typeof requestWebhooks> {
  const { configuration, log, database, views } = engines;
  const { kysely } = database;
  const current = currentIn(views);
  const inDeliveries = viewOf<WebhookDeliveriesDatabase>(kysely, webhookDeliveries);
  const inWebhooks = viewOf<WebhooksDatabase>(kysely, webhooks);
  const inConfiguration = viewOf<ConfigurationDatabase>(kysely, configurationView);
  const { standard, pinned } = configurationSettings(configuration);
  const idPorts = { log, catalogue, newEventId };

  const findProjects = current(
    findProjectsByName.bind(undefined, viewOf<ProjectsDatabase>(kysely, projects)),
  );
  const findCreated = current(
    findCreationTimes.bind(undefined, viewOf<RepositoriesDatabase>(kysely, repositories)),
  );
  const policies = current(enabledPolicies.bind(undefined, inWebhooks));
  const since = current(tellingSince.bind(undefined, inDeliveries));
  const setItems = current(readConfiguration.bind(undefined, inConfiguration));

  return requestWebhooks({
    checkpoints: postgresCheckpoints(database),
    head: () => log.head(),
    lastTold: current(lastToldPosition.bind(undefined, inDeliveries)),
    async policies() {
      const from = await since();
      return (await policies()).flatMap((policy) => {
        const position = from.get(policy.policyId);
        return position === undefined ? [] : [{ ...policy, since: position, targets: policy.targets.length }];
      });
    },
    async settings() {
      const { items } = await setItems();
      const { notification_enable, robot_name_prefix } = overlaid(
        overlaid(standard, items),
        pinned?.items ?? {},
      );
      return { isEnabled: notification_enable, robotPrefix: robot_name_prefix };
    },
    async facts(projectNames, repositoryNames) {
      const [found, created] = await Promise.all([findProjects(projectNames), findCreated(repositoryNames)]);
      const facts = found.map(
        ({ name, projectId, public: isPublic }) => [name, { projectId, isPublic }] as const,
      );
      return { projects: new Map(facts), repositories: created };
    },
    host: registryHost(configuration),
    shown: (position) =>
      views.reached(position, [configurationView, projects, repositories, webhookDeliveries, webhooks]),
    allocateIds: deliveryIdsAllocator(idsAllocator(idPorts)),
    request: requestWebhookDeliveries({
      ...{ log, catalogue },
      requestIdOf: (sourceId) => derivedEventId(sourceId, 'webhook-deliveries'),
    }),
    onRequested: (position) => wakeDelivering(database, position),
  });
}

/** See `AttemptDeliveryPorts`. */
const personKeyIn =
  (names: UserNames) =>
  async (name: string): Promise<string | undefined> => {
    await names.refresh();
    const userId = (await names.bearersOf([name])).get(name);
    const known = userId === undefined ? undefined : (await names.of([userId])).get(userId);
    return known?.name === null ? undefined : names.keyOf(name);
  };

/** Asks for the deliveries of what happens, in one process of all, and makes them, in every one. */
export function workOnWebhooks(engines: WebhookEngines): { stop(): Promise<void> } {
  const { configuration, log, record, secrets, database, lockDatabase, views, logger } = engines;
  const current = currentIn(views);
  const inDeliveries = viewOf<WebhookDeliveriesDatabase>(database.kysely, webhookDeliveries);
  const inWebhooks = viewOf<WebhooksDatabase>(database.kysely, webhooks);
  const settings = configuration.webhooks;
  const idPorts = { log, catalogue, newEventId };
  const now = () => new Date();
  const deliveriesReached = (position: bigint) => views.reached(position, [webhookDeliveries]);

  const requesting = keepFollowing({
    ...{ log, catalogue, alone: aloneIn(lockDatabase, 'request-webhooks') },
    ...webhookRequests(engines),
    onFailure: (error) => logger.warn({ err: error }, 'what happens cannot be told to webhooks now'),
  });

  const attempts = postgresWebhookAttempts(database);
  const unseen = furtherAttempts({ log });
  const delivering = keepDelivering({
    queueHeads: current(queueHeads.bind(undefined, inDeliveries)),
    headOf: current(headOf.bind(undefined, inDeliveries)),
    unseen: ({ deliveryId, attempts: made }) => unseen(deliveryId, made),
    attempt: attemptDelivery({
      sender: webhookSender(configuration),
      findPolicy: current(findWebhookPolicyById.bind(undefined, inWebhooks)),
      openTarget: (policyId, target) => unlessBroken(() => openTarget(secrets, policyId, target)),
      signedHeaders({ sourceId: eventId, policyId, target }, { signing }, body, at) {
        const id = messageId({ eventId, policyId, target });
        const secretsNow = unlessBroken(() => openSigning(secrets, policyId, signing, at));
        return secretsNow && webhookHeaders(id, at, body, secretsNow);
      },
      attempts,
      personKey: personKeyIn(engines.userNames),
      record: recordWebhookAttempt(idPorts),
      pause: pauseWebhookPolicy({ record }),
      patience: {
        firstPauseMs: settings.first_pause_seconds * 1000,
        retryMs: settings.retry_hours * 3_600_000,
        maxRetries: configuration.notification.webhook_job_max_retry,
      },
      timeoutMs: configuration.notification.webhook_job_http_client_timeout * 1000,
      userAgent: `shiplog/${version}`,
      onOutcome: (type) => engines.onOutcome?.(outcomes[type]),
      now,
      random: Math.random,
    }),
    reached: deliveriesReached,
    withLocks: (work) => withNamedLocks(lockDatabase, work),
    onWake: (wake) =>
      database.listen(channel, (payload) => {
        const shown = /^\d+$/.test(payload) ? deliveriesReached(BigInt(payload)) : Promise.resolve();
        shown.then(wake, wake);
      }),
    onFailure: (error) => logger.warn({ err: error }, 'webhooks cannot be delivered now'),
    now,
    concurrency: settings.concurrency,
    perSecond: settings.per_second,
  });

  const sweeping = keepSweepingAttempts({
    ...{ attempts, now, keptMs: settings.attempts_days * dayMs },
    sweepDeliveries: sweepWebhookDeliveries({
      ...{ record, now, alone: aloneIn(lockDatabase, 'sweep-webhook-deliveries') },
      sweepSlice: current(sweepSlice.bind(undefined, inDeliveries)),
      reached: deliveriesReached,
      keptMs: Math.max(settings.deliveries_days, settings.attempts_days) * dayMs,
    }),
    onFailure: (error) => logger.warn({ err: error }, 'what is old of webhooks cannot be removed now'),
  });

  return {
    async stop() {
      await Promise.all([requesting.stop(), delivering.stop(), sweeping.stop()]);
    },
  };
}

/** Undefined where something is sealed with a key that is gone. */
function unlessBroken<Opened>(open: () => Opened): Opened | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof SealBroken) return undefined;
    throw error;
  }
}
