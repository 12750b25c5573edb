import { type Catalogue, currentVersion } from '../domain/catalogue.ts';
import type { Metadata } from '../domain/event.ts';
import { type RedeliveryEvent, redeliveryStream } from '../domain/webhook-delivery/events.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { historyOf } from './record.ts';

export interface RedeliverPorts {
  readonly log: Pick<EventLog, 'append' | 'readStream'>;
  readonly catalogue: Catalogue;
  readonly newEventId: () => string;
}

/**
 * Asks for deliveries once more; those that wait already wait on. Resolves to the log's position.
 * @param run a UUID: what is asked for in several parts is so in one run
 * @param ids at most `maxRedelivered`
 */
export const redeliverWebhooks =
  ({ log, catalogue, newEventId }: RedeliverPorts) =>
  async (run: string, ids: readonly number[], metadata: Metadata): Promise<bigint> => {
    const event: RedeliveryEvent = { type: 'WebhookRedeliveryRequested', data: { deliveryIds: [...ids] } };
    const version = currentVersion(catalogue, event.type);
    // Nothing is decided on it: who asks twice gets what is once.
    return log.append(redeliveryStream(run), 'any', [{ ...event, id: newEventId(), version, metadata }]);
  };

/** How many the run has asked for, and the last of them, 0 before the first. */
export const redeliveredIn =
  ({ log, catalogue }: Pick<RedeliverPorts, 'log' | 'catalogue'>) =>
  async (run: string): Promise<{ readonly count: number; readonly last: number }> => {
    const history = await historyOf<RedeliveryEvent>(log, catalogue, redeliveryStream(run));
    const ids = history.flatMap(({ data }) => data.deliveryIds);
    return { count: ids.length, last: ids.at(-1) ?? 0 };
  };
