import type { Metadata } from '../domain/event.ts';
import { projectStream } from '../domain/project/events.ts';
import {
  bindingRetention,
  type RetentionScope,
  type RetentionSettings,
  retentionDecider,
} from '../domain/retention/decider.ts';
import { retentionStream } from '../domain/retention/events.ts';
import type { AllocateId } from './allocate-id.ts';
import { decision, type Recorder } from './record.ts';
import { schedulingRetention } from './retention-schedule.ts';

export interface RetentionPolicyPorts {
  readonly record: Recorder;
  readonly allocateId: AllocateId;
  now(): Date;
}

/**
 * A project has one policy, and its setting says which; the clock runs it, if it says when.
 * @throws Refusal `retention-exists`, `project-unknown`, `cron-invalid`
 */
export const createRetentionPolicy =
  ({ record, allocateId, now }: RetentionPolicyPorts) =>
  async (
    policy: RetentionScope & RetentionSettings,
    metadata: Metadata,
  ): Promise<{ readonly policyId: number; readonly position: bigint }> => {
    const policyId = await allocateId('retention', metadata);
    const scheduleId = await allocateId('schedule', metadata);
    const { project: name, projectId, cron } = policy;
    // In this order, where the engine appends one by one: a policy that no project names is nothing, a setting that names
    // none would keep the project from having one, and what the clock starts is the project's.
    const { position } = await record(
      metadata,
      decision(retentionStream(policyId), retentionDecider(policyId), { do: 'create', ...policy }),
      decision(projectStream(name), bindingRetention, { name, projectId, policyId }),
      schedulingRetention(policyId, cron, scheduleId, now()),
    );
    return { policyId, position };
  };
