import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestWebhookDeliveries } from '../commands/request-webhook-deliveries.ts';
import { catalogue } from '../domain/catalogue.ts';
import { notificationStream } from '../domain/webhook-delivery/events.ts';
import { derivedEventId, newEventId } from '../infra/event-log/ids.ts';
import { openLog } from './contracts/event-log-postgres-client.ts';
import { startPostgres } from './postgres.ts';

const requestOf = (sourceId: string, deliveryId: number) => ({
  metadata: { actor: 'system' },
  data: {
    ...({
      sourceId,
      sourcePosition: '1',
      eventType: 'PUSH_ARTIFACT',
      occurredAt: '2026-11-28T12:00:00.000Z',
    } as const),
    ...{
      projectId: 1,
      project: 'library',
      repository: 'library/app',
      told: { notification: { operator: '' }, facts: {} },
    },
    deliveries: [{ deliveryId, policyId: 1, target: 0 }],
  },
});

test('of what is asked for again, by who was killed or by two at once, only what is new is asked for', async (t) => {
  const { connection } = await startPostgres(t);
  const log = await openLog(JSON.stringify(connection()));
  t.after(() => log.close());
  const request = requestWebhookDeliveries({
    ...{ log, catalogue },
    requestIdOf: (sourceId) => derivedEventId(sourceId, 'webhook-deliveries'),
  });
  const ids = Array.from({ length: 120 }, newEventId);
  const requests = (first: number) => ids.map((id, index) => requestOf(id, first + index));
  // Of the first fifty, and in the middle of the next.
  await request([...requests(1).slice(0, 50), ...requests(1).slice(60, 65)]);
  const position = await request(requests(1001));
  assert.equal(position, await log.head());
  await Promise.all([request(requests(2001)), request(requests(3001))]);
  assert.equal(position, await log.head());
  for (const [index, id] of ids.entries()) {
    const [asked, ...more] = (await log.readStream(notificationStream(id))).events;
    assert.ok(asked !== undefined && more.length === 0);
    const { deliveries } = asked.data as ReturnType<typeof requestOf>['data'];
    const isFirst = index < 50 || (index >= 60 && index < 65);
    assert.equal(deliveries[0]?.deliveryId, (isFirst ? 1 : 1001) + index);
  }
});
