import { type Catalogue, currentVersion } from '../domain/catalogue.ts';
import type { Metadata } from '../domain/event.ts';
import { type DeliveryEvent, deliveryStream } from '../domain/webhook-delivery/events.ts';
import { type EventLog, RevisionConflict } from '../infra/event-log/port.ts';

export interface AttemptPorts {
  readonly log: Pick<EventLog, 'append' | 'readStream'>;
  readonly catalogue: Catalogue;
  readonly newEventId: () => string;
}

/**
 * Records what came of an attempt: the n-th event of its delivery is the n-th attempt. Resolves to the log's position, or to
 * undefined where somebody else has recorded an attempt of that number.
 */
export const recordWebhookAttempt =
  ({ log, catalogue, newEventId }: AttemptPorts) =>
  async ({ type, data }: DeliveryEvent, metadata: Metadata): Promise<bigint | undefined> => {
    const event = { id: newEventId(), type, version: currentVersion(catalogue, type), data, metadata };
    const expected = data.attempt === 1 ? 'none' : BigInt(data.attempt - 2);
    try {
      return await log.append(deliveryStream(data.deliveryId), expected, [event]);
    } catch (error) {
      if (error instanceof RevisionConflict) return undefined;
      throw error;
    }
  };

/** The position of what is recorded of the delivery beyond its first `attempts` attempts; undefined where nothing is. */
export const furtherAttempts =
  ({ log }: Pick<AttemptPorts, 'log'>) =>
  async (deliveryId: number, attempts: number): Promise<bigint | undefined> =>
    (await log.readStream(deliveryStream(deliveryId), BigInt(attempts))).events.at(-1)?.position;
