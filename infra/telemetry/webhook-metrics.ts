import { Counter, Gauge } from 'prom-client';
import { type Metrics, sharedInTime } from './metrics.ts';

export type WebhookOutcomeLabel = 'delivered' | 'failed' | 'given_up';

export interface WaitingDeliveries {
  readonly pending: number;
  /** Since when the first of a queue waits that is not paused. */
  readonly oldest: Date | undefined;
  readonly paused: number;
}

/** Shows what waits to be delivered as it is at each scrape, for which it is asked once. @returns the counter of attempts */
export function exposeWebhooks(
  { registry }: Pick<Metrics, 'registry'>,
  read: () => Promise<WaitingDeliveries>,
): Counter<'outcome'> {
  const readWaiting = sharedInTime(read);
  const gauge = (name: string, help: string, value: (waiting: WaitingDeliveries) => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        const waiting = await readWaiting();
        if (waiting === undefined) this.reset();
        else this.set(value(waiting));
      },
    });
  gauge(
    'shiplog_webhook_deliveries_pending',
    'Deliveries of webhooks that wait, up to 100,000',
    ({ pending }) => pending,
  );
  gauge(
    'shiplog_webhook_oldest_pending_seconds',
    'How long the first delivery of a queue waits that is not paused',
    ({ oldest }) => (oldest === undefined ? 0 : Math.max(0, (Date.now() - oldest.getTime()) / 1000)),
  );
  gauge(
    'shiplog_webhook_queues_paused',
    'Queues in which deliveries wait until they are resumed',
    ({ paused }) => paused,
  );
  return new Counter({
    name: 'shiplog_webhook_deliveries_total',
    help: 'Attempts of this process to deliver what webhooks tell, by what came of them',
    labelNames: ['outcome'],
    registers: [registry],
  });
}
