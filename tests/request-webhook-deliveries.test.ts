import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { type DeliveriesRequest, requestWebhookDeliveries } from '../commands/request-webhook-deliveries.ts';
import { catalogue } from '../domain/catalogue.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import { openLog } from './contracts/event-log-postgres-client.ts';
import { readWhole } from './contracts/event-log-samples.ts';
import { startPostgres } from './postgres.ts';

test('what comes again in other batches, since somebody died in between, is recorded once and in order', async (t) => {
  const { connection } = await startPostgres(t);
  const log = await openLog(JSON.stringify(connection()));
  t.after(() => log.close());
  const sample = await readFile(
    new URL('domain/samples/WebhookDeliveriesRequested.v1.json', import.meta.url),
    'utf8',
  );
  const requests = Array.from({ length: 120 }, (): DeliveriesRequest => {
    return { data: { ...JSON.parse(sample), sourceId: newEventId() }, metadata: { actor: 'system' } };
  });
  const ids = new Map(requests.map(({ data }) => [data.sourceId, newEventId()]));
  const request = requestWebhookDeliveries({
    ...{ log, catalogue },
    requestIdOf: (sourceId) => ids.get(sourceId) ?? assert.fail(),
  });

  await request(requests.slice(0, 60));
  await request(requests.slice(20, 90));
  const last = await request(requests);

  assert.deepEqual(
    (await readWhole(log)).map(({ id }) => id),
    [...ids.values()],
  );
  assert.equal(last, await log.head());
});
