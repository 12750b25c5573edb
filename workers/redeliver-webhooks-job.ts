import type { Metadata } from '../domain/event.ts';
import { maxRedelivered } from '../domain/webhook-delivery/events.ts';
import {
  type RedeliveryParameters,
  redeliveryParameters,
} from '../domain/webhook-delivery/redelivery-parameters.ts';
import { type DeliveryFilter, filterOf } from '../projections/webhook-deliveries/queries.ts';
import type { JobHandler } from './job.ts';

export interface RedeliverWebhooksPorts {
  deliveryIdsAfter(
    filter: DeliveryFilter,
    part: { readonly after: number; readonly last: number; readonly limit: number },
  ): Promise<readonly number[]>;
  redeliver(run: string, ids: readonly number[], metadata: Metadata): Promise<bigint>;
  redeliveredIn(run: string): Promise<{ readonly count: number; readonly last: number }>;
  /** Resolves when deliveries are shown as they were at the position. */
  reached(position: bigint): Promise<void>;
}

/** WEBHOOK_REDELIVERY: asks for many deliveries once more, part by part; who goes on for another goes on behind its last part. */
export const redeliverWebhooksJob = ({
  deliveryIdsAfter,
  redeliver,
  redeliveredIn,
  reached,
}: RedeliverWebhooksPorts): JobHandler<RedeliveryParameters> => ({
  kind: 'WEBHOOK_REDELIVERY',
  parameters: redeliveryParameters,

  async run({ parameters, jobId }, run) {
    const filter = filterOf(parameters);
    const before = await redeliveredIn(jobId);
    let [done, after] = [before.count, before.last];
    while (!run.stopping.aborted) {
      run.progress({ stage: 'redelivering', done, total: parameters.count });
      const part = { after, last: parameters.last_id, limit: maxRedelivered };
      const ids = await deliveryIdsAfter(filter, part);
      const last = ids.at(-1);
      if (last === undefined) break;
      await reached(await redeliver(jobId, ids, { actor: 'system', correlationId: jobId }));
      done += ids.length;
      after = last;
    }
    run.log(`${done} deliveries were asked for once more`);
    return { redelivered: done };
  },
});
