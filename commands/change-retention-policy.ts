import type { Metadata } from '../domain/event.ts';
import { type RetentionSettings, retentionDecider } from '../domain/retention/decider.ts';
import { retentionStream } from '../domain/retention/events.ts';
import type { RetentionPolicyPorts } from './create-retention-policy.ts';
import { decision } from './record.ts';
import { schedulingRetention } from './retention-schedule.ts';

/** Resolves to the log's position. @throws Refusal `retention-unknown`, `cron-invalid` */
export const changeRetentionPolicy =
  ({ record, allocateId, now }: RetentionPolicyPorts) =>
  async (
    { policyId, ...settings }: RetentionSettings & { readonly policyId: number },
    metadata: Metadata,
  ): Promise<bigint> => {
    const command = { do: 'change', ...settings } as const;
    const scheduleId = await allocateId('schedule', metadata);
    const { position } = await record(
      metadata,
      decision(retentionStream(policyId), retentionDecider(policyId), command),
      schedulingRetention(policyId, settings.cron, scheduleId, now()),
    );
    return position;
  };
