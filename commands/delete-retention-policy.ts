import type { Metadata } from '../domain/event.ts';
import { projectStream } from '../domain/project/events.ts';
import { releasingRetention, retentionDecider } from '../domain/retention/decider.ts';
import { retentionStream } from '../domain/retention/events.ts';
import { decision, type Recorder } from './record.ts';
import { schedulingRetention } from './retention-schedule.ts';

export interface RetentionPolicyOf {
  readonly policyId: number;
  readonly project: string;
  readonly projectId: number;
}

/** Also where its project is gone. Resolves to the log's position. @throws Refusal `retention-unknown` */
export const deleteRetentionPolicy =
  ({ record }: { readonly record: Recorder }) =>
  async ({ policyId, project: name, projectId }: RetentionPolicyOf, metadata: Metadata): Promise<bigint> => {
    // The policy last, where the engine appends one by one: as long as it is there, it can be deleted once more.
    const { position } = await record(
      metadata,
      schedulingRetention(policyId, '', 0, new Date(0)),
      decision(projectStream(name), releasingRetention, { name, projectId, policyId }),
      decision(retentionStream(policyId), retentionDecider(policyId), { do: 'delete' }),
    );
    return position;
  };
