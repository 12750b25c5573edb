import type { RecordedEvent } from '../../domain/event.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import type { WebhookEvent } from '../../domain/webhook/events.ts';
import type {
  DeliveriesSweepEvent,
  DeliveryEvent,
  NotificationEvent,
  RedeliveryEvent,
  WebhookPauseEvent,
} from '../../domain/webhook-delivery/events.ts';
import type { Projection, ViewTables } from '../../infra/database/projection.ts';
import {
  addDeliveries,
  changePolicy,
  redeliver,
  skip,
  skipOfProject,
  sweep,
  takeOutcomes,
} from './statements.ts';
import { createTables, everyTarget } from './tables.ts';

export type { WebhookDeliveriesDatabase } from './tables.ts';

type OrderingEvent =
  | WebhookEvent
  | WebhookPauseEvent
  | RedeliveryEvent
  | DeliveriesSweepEvent
  | Extract<ProjectEvent, { type: 'ProjectDeleted' }>;
type CountingEvent = NotificationEvent | DeliveryEvent;
export type WebhookDeliveriesEvent = OrderingEvent | CountingEvent;

/**
 * What is told to whom by webhooks, what came of it, and what waits: also the queue of those who deliver, so that who drops
 * the database loses no delivery.
 */
export const webhookDeliveries: Projection<WebhookDeliveriesEvent> = {
  name: 'webhook_deliveries',
  version: 2,
  showsUserNames: true,
  handles: [
    'WebhookPolicyCreated',
    'WebhookPolicyChanged',
    'WebhookPolicyDeleted',
    'ProjectDeleted',
    'WebhookDeliveriesRequested',
    'WebhookDelivered',
    'WebhookAttemptFailed',
    'WebhookDeliveryGivenUp',
    'WebhookRedeliveryRequested',
    'WebhookPolicyPaused',
    'WebhookPolicyResumed',
    'WebhookDeliveriesSwept',
  ],

  create: createTables,

  async apply(tables, events) {
    let run: RecordedEvent<CountingEvent>[] = [];
    for (const event of events) {
      if (isCounting(event)) {
        run.push(event);
        continue;
      }
      await applyRun(tables, run);
      run = [];
      await applyOrdering(tables, event);
    }
    await applyRun(tables, run);
  },
};

const counting: ReadonlySet<string> = new Set([
  'WebhookDeliveriesRequested',
  'WebhookDelivered',
  'WebhookAttemptFailed',
  'WebhookDeliveryGivenUp',
] satisfies readonly CountingEvent['type'][]);
const isCounting = (event: RecordedEvent<WebhookDeliveriesEvent>): event is RecordedEvent<CountingEvent> =>
  counting.has(event.type);

/** Of one delivery an attempt comes after the request, and those of different deliveries may change places. */
async function applyRun(tables: ViewTables, run: readonly RecordedEvent<CountingEvent>[]): Promise<void> {
  await addDeliveries(
    tables,
    run.filter((event) => event.type === 'WebhookDeliveriesRequested'),
  );
  await takeOutcomes(
    tables,
    run.filter((event) => event.type !== 'WebhookDeliveriesRequested'),
  );
}

/** What many deliveries depend on: each has all before it behind it. */
async function applyOrdering(tables: ViewTables, event: RecordedEvent<OrderingEvent>): Promise<void> {
  const at = event.recordedAt;
  switch (event.type) {
    case 'WebhookPolicyCreated':
      return tables.write(
        'policies',
        ['policy_id'],
        [
          {
            policy_id: event.data.policyId,
            project_id: event.data.projectId,
            enabled: event.data.isEnabled,
            since: String(event.position),
            targets: event.data.targets.length,
          },
        ],
      );
    case 'WebhookPolicyChanged': {
      const { policyId, isEnabled, targets } = event.data;
      await changePolicy(tables, event);
      if (!isEnabled) return skip(tables, { policyId, reason: 'policy-disabled', at });
      return skip(tables, { policyId, reason: 'target-removed', at, fromTarget: targets.length });
    }
    case 'WebhookPolicyDeleted': {
      const { policyId } = event.data;
      await skip(tables, { policyId, reason: 'policy-deleted', at });
      await tables.remove('policies', ['policy_id'], [{ policy_id: policyId }]);
      return tables.remove('pauses', ['policy_id'], [{ policy_id: policyId }]);
    }
    case 'ProjectDeleted': {
      const { projectId } = event.data;
      await skipOfProject(tables, projectId, at);
      return tables.remove('policies', ['project_id'], [{ project_id: projectId }]);
    }
    case 'WebhookRedeliveryRequested':
      return redeliver(tables, event);
    case 'WebhookPolicyPaused': {
      const { policyId, target, reason } = event.data;
      const row = { policy_id: policyId, target: target ?? everyTarget, reason, paused_at: at };
      return tables.write('pauses', ['policy_id', 'target'], [row]);
    }
    case 'WebhookPolicyResumed': {
      const { policyId, from } = event.data;
      await tables.remove('pauses', ['policy_id'], [{ policy_id: policyId }]);
      if (from !== null) await skip(tables, { policyId, reason: 'skipped-on-resume', at, before: from });
      return;
    }
    case 'WebhookDeliveriesSwept':
      return sweep(tables, event.data.before);
  }
}
