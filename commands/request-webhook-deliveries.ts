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

/** Asks for deliveries, of each source once; resolves to the log's position, 0 where nothing is new. */
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
      position = maxOf(position, await appendNew(log, appends.slice(from, from + atOnce)));
    return position;
  };

/** Some of them may be there, and others not, where who has asked before was killed: what is there is not asked for again. */
async function appendNew(log: Pick<EventLog, 'appendMany'>, appends: readonly Append[]): Promise<bigint> {
  try {
    return await log.appendMany(appends);
  } catch (error) {
    if (!(error instanceof RevisionConflict)) throw error;
    if (appends.length === 1) return 0n;
  }
  let position = 0n;
  for (const append of appends) {
    position = maxOf(position, await appendNew(log, [append]));
  }
  return position;
}

const maxOf = (one: bigint, other: bigint): bigint => (one > other ? one : other);
