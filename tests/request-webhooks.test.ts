import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type DeliveriesRequest,
  requestWebhookDeliveries,
} from '../commands/request-webhook-deliveries.ts';
import { catalogue } from '../domain/catalogue.ts';
import { notificationStream } from '../domain/webhook-delivery/events.ts';
import { derivedEventId, newEventId } from '../infra/event-log/ids.ts';
import { openLog } from './contracts/event-log-postgres-client.ts';
import { startPostgres } from './postgres.ts';

const requestOf = (sourceId: string, deliveryId: number): DeliveriesRequest => ({
  data: {
    ...{ sourceId, sourcePosition: '7', eventType: 'PUSH_ARTIFACT', occurredAt: '2026-11-28T12:00:00.000Z' },
    ...{ projectId: 7, project: 'team', repository: 'team/app', told: {} },
    deliveries: [{ deliveryId, policyId: 1, target: 0 }],
  },
  metadata: { actor: 'system' },
});

test('who asks again for what was asked for, and for more with it, as after a crash, asks for each once', async (t) => {
  const { connection } = await startPostgres(t);
  const log = await openLog(JSON.stringify(connection()));
  t.after(() => log.close());
  const request = requestWebhookDeliveries({
    ...{ log, catalogue },
    requestIdOf: (sourceId) => derivedEventId(sourceId, 'webhook-deliveries'),
  });
  const [first, second, third] = [newEventId(), newEventId(), newEventId()];

  await request([requestOf(second, 1)]);
  const position = await request([requestOf(first, 2), requestOf(second, 3), requestOf(third, 4)]);

  assert.equal(position, await log.head());
  for (const [sourceId, deliveryId] of [
    [first, 2],
    [second, 1],
    [third, 4],
  ] as const) {
    const { events } = await log.readStream(notificationStream(sourceId));
    const requested = events.map(({ data }) => (data as DeliveriesRequest['data']).deliveries[0]?.deliveryId);
    assert.deepEqual(requested, [deliveryId]);
  }
});
