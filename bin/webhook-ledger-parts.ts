import { randomUUID } from 'node:crypto';
import { deliveryIdsAllocator } from '../commands/allocate-delivery-ids.ts';
import type { AllocateIds } from '../commands/allocate-id.ts';
import { pauseWebhookPolicy } from '../commands/pause-webhook-policy.ts';
import type { Recorder } from '../commands/record.ts';
import { redeliveredIn, redeliverWebhooks } from '../commands/redeliver-webhooks.ts';
import { requestWebhookDeliveries } from '../commands/request-webhook-deliveries.ts';
import { startExecution } from '../commands/start-execution.ts';
import { tryWebhookPolicy } from '../commands/try-webhook-policy.ts';
import { catalogue } from '../domain/catalogue.ts';
import type { WebhookLedgerPorts } from '../gateway/api/webhook-ledger.ts';
import type { Database } from '../infra/database/connect.ts';
import { viewOf } from '../infra/database/projection.ts';
import { derivedEventId, newEventId } from '../infra/event-log/ids.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { JobJournal } from '../infra/job-journal/port.ts';
import type { Views } from '../infra/views/port.ts';
import { postgresWebhookAttempts } from '../infra/webhook-attempts/postgres.ts';
import { firstTasks } from '../projections/executions/first-tasks.ts';
import { type ExecutionsDatabase, executions } from '../projections/executions/projection.ts';
import { execution } from '../projections/executions/queries.ts';
import { healthOf } from '../projections/webhook-deliveries/health.ts';
import {
  type WebhookDeliveriesDatabase,
  webhookDeliveries,
} from '../projections/webhook-deliveries/projection.ts';
import {
  countDeliveries,
  deliveriesOfPolicy,
  deliveryIdsAfter,
  findDelivery,
  lastDeliveryId,
  listDeliveries,
  listDeliveriesById,
} from '../projections/webhook-deliveries/queries.ts';
import { type WebhooksDatabase, webhooks } from '../projections/webhooks/projection.ts';
import { findWebhookPolicyById, lastTriggersOf } from '../projections/webhooks/queries.ts';
import { redeliverWebhooksJob } from '../workers/redeliver-webhooks-job.ts';
import type { Current } from './api-parts.ts';
import { currentIn } from './contents.ts';
import type { HandlerEngines } from './job-handlers.ts';
import { wakeDelivering } from './webhook-work.ts';

export interface LedgerEngines {
  readonly log: EventLog;
  readonly record: Recorder;
  readonly allocateIds: AllocateIds;
  readonly journal: JobJournal;
  /** By which clients reach the registry. */
  readonly host: string;
}

/** What the management API asks of what webhooks have told. */
export function webhookLedgerParts(
  { log, record, allocateIds, journal, host }: LedgerEngines,
  {
    database,
    views,
    current,
  }: { database: Pick<Database, 'kysely' | 'pool'>; views: Views; current: Current },
): WebhookLedgerPorts {
  const { kysely } = database;
  const inDeliveries = viewOf<WebhookDeliveriesDatabase>(kysely, webhookDeliveries);
  const inWebhooks = viewOf<WebhooksDatabase>(kysely, webhooks);
  const inExecutions = viewOf<ExecutionsDatabase>(kysely, executions);
  const now = () => new Date();
  const events = { log, catalogue, newEventId };
  return {
    findPolicyById: current(findWebhookPolicyById.bind(undefined, inWebhooks)),
    lastTriggersOf: current(lastTriggersOf.bind(undefined, inWebhooks, inDeliveries)),
    listDeliveries: current(listDeliveries.bind(undefined, inDeliveries)),
    listDeliveriesById: current(listDeliveriesById.bind(undefined, inDeliveries)),
    findDelivery: current(findDelivery.bind(undefined, inDeliveries)),
    deliveriesOfPolicy: current(deliveriesOfPolicy.bind(undefined, inDeliveries)),
    countDeliveries: current(countDeliveries.bind(undefined, inDeliveries)),
    lastDeliveryId: current(lastDeliveryId.bind(undefined, inDeliveries)),
    healthOf: current(healthOf.bind(undefined, inDeliveries)),
    execution: current(execution.bind(undefined, inExecutions)),
    firstTasks: current(firstTasks.bind(undefined, inExecutions)),
    attempts: postgresWebhookAttempts(database),
    progressOf: (taskIds) => journal.progressOf(taskIds),
    pausePolicy: pauseWebhookPolicy({ record }),
    redeliver: redeliverWebhooks(events),
    startExecution: startExecution({ record, allocateIds, newJobId: randomUUID }),
    tryPolicy: tryWebhookPolicy({
      ...{ newEventId, now, host },
      allocateDeliveryIds: deliveryIdsAllocator(allocateIds),
      request: requestWebhookDeliveries({
        ...{ log, catalogue },
        requestIdOf: (sourceId) => derivedEventId(sourceId, 'webhook-deliveries'),
      }),
    }),
    now,
    newRun: randomUUID,
    async deliveriesReached(position) {
      await views.reached(position, [webhookDeliveries]);
      await wakeDelivering(database, position);
    },
    executionsReached: (position) => views.reached(position, [executions]),
  };
}

/** Who delivers many things once more. */
export function redeliveryHandler({ log, database, views }: HandlerEngines) {
  const inDeliveries = viewOf<WebhookDeliveriesDatabase>(database.kysely, webhookDeliveries);
  return redeliverWebhooksJob({
    deliveryIdsAfter: currentIn(views)(deliveryIdsAfter.bind(undefined, inDeliveries)),
    redeliver: redeliverWebhooks({ log, catalogue, newEventId }),
    redeliveredIn: redeliveredIn({ log, catalogue }),
    async reached(position) {
      await views.reached(position, [webhookDeliveries]);
      await wakeDelivering(database, position);
    },
  });
}
