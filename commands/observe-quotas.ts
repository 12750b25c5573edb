import { quotaDecider } from '../domain/quota/decider.ts';
import { quotaStream } from '../domain/quota/events.ts';
import { decision, type Recorder } from './record.ts';

export interface ObservedQuota {
  readonly projectId: number;
  readonly project: string;
  /** In bytes: what it may hold, and what it does. */
  readonly storage: number;
  readonly used: number;
}

export interface ObserveQuotasPorts {
  readonly record: Recorder;
  /** Up to `limit` quotas of which it was not said yet that there is not much left, or is again. */
  findUntold(limit: number): Promise<readonly ObservedQuota[]>;
}

const atOnce = 100;

/** Says it, once for each time that the line is crossed, however many processes look. Resolves to how many there were. */
export const observeQuotas =
  ({ record, findUntold }: ObserveQuotasPorts) =>
  async (): Promise<number> => {
    const untold = await findUntold(atOnce);
    for (const { projectId, project, storage, used } of untold)
      await record(
        { actor: 'system' },
        decision(quotaStream(projectId), quotaDecider, { do: 'observe', projectId, project, storage, used }),
      );
    return untold.length;
  };
