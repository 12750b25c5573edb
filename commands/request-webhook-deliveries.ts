import { type Catalogue, currentVersion } from '../domain/catalogue.ts';
import type { Metadata } from '../domain/event.ts';
import { notificationStream, type RequestedDeliveries } from '../domain/webhook-delivery/events.ts';
import { type Append, type EventLog, RevisionConflict } from '../infra/event-log/port.ts';

export interface RequestDeliveriesPorts {
  readonly log: Pick<EventLog, 'append' | 'appendMany'>;
  readonly catalogue: Catalogue;
  /** The id of the event by which what is told is asked for; the same whenever it is. */
  requestIdOf(sourceId: string): string;
}

export interface DeliveriesRequest {
  readonly data: RequestedDeliveries;
  readonly metadata: Metadata;
}

/** Their deliveries can be a hundred thousand bytes each. */
const atOnce = 50;

/** What is recorded of what is told to nobody twice; resolves to the log's position. */
export const requestWebhookDeliveries =
  ({ log, catalogue, requestIdOf }: RequestDeliveriesPorts) =>
  async (requests: readonly DeliveriesRequest[]): Promise<bigint> => {
    const type = 'WebhookDeliveriesRequested';
    const version = currentVersion(catalogue, type);
    const appends = requests.map(({ data, metadata }): Append => {
      const event = { id: requestIdOf(data.sourceId), type, version, data, metadata };
      return { stream: notificationStream(data.sourceId), expectedRevision: 'none', events: [event] };
    });
    let position = 0n;
    for (let from = 0; from < appends.length; from += atOnce)
      position = await appendAll(log, appends.slice(from, from + atOnce));
    return position;
  };

/**
 * Who died after some were recorded had them in other batches, and several appends are only together what they were before:
 * one by one each is recognised.
 */
async function appendAll(log: RequestDeliveriesPorts['log'], appends: readonly Append[]): Promise<bigint> {
  try {
    return await log.appendMany(appends);
  } catch (error) {
    if (!(error instanceof RevisionConflict)) throw error;
  }
  let position = 0n;
  for (const { stream, expectedRevision, events } of appends)
    position = await log.append(stream, expectedRevision, events);
  return position;
}
