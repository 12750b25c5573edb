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

/** A project has one policy, and its setting says which. @throws Refusal `retention-exists`, `project-unknown` */
export const createRetentionPolicy =
  ({ record, allocateId }: { readonly record: Recorder; readonly allocateId: AllocateId }) =>
  async (
    policy: RetentionScope & RetentionSettings,
    metadata: Metadata,
  ): Promise<{ readonly policyId: number; readonly position: bigint }> => {
    const policyId = await allocateId('retention', metadata);
    const { project: name, projectId } = policy;
    // The setting last, where the engine appends one by one: a policy that no project names is nothing, and a setting
    // that names none would keep the project from having one.
    const { position } = await record(
      metadata,
      decision(retentionStream(policyId), retentionDecider(policyId), { do: 'create', ...policy }),
      decision(projectStream(name), bindingRetention, { name, projectId, policyId }),
    );
    return { policyId, position };
  };
