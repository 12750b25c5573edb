import { type Catalogue, currentVersion } from '../domain/catalogue.ts';
import type { Metadata } from '../domain/event.ts';
import { notificationStream, type RequestedDeliveries } from '../domain/webhook-delivery/events.ts';
import { type Append, type EventLog, RevisionConflict } from '../infra/event-log/port.ts';

export interface RequestDeliveriesPorts {
  readonly log: Pick<EventLog, 'appendMany'>;
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
      position = await appended(log, appends.slice(from, from + atOnce));
    return position;
  };

/** Who goes on for one that was killed asks for what is there, and for what is not, at once. */
async function appended(log: Pick<EventLog, 'appendMany'>, appends: readonly Append[]): Promise<bigint> {
  try {
    return await log.appendMany(appends);
  } catch (error) {
    if (!(error instanceof RevisionConflict) || appends.length === 1) throw error;
  }
  let position = 0n;
  for (const append of appends) {
    const of = await log.appendMany([append]);
    if (of > position) position = of;
  }
  return position;
}
