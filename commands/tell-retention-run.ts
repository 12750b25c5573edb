import type { Metadata } from '../domain/event.ts';
import { retentionRunDecider } from '../domain/retention/run-decider.ts';
import { type AppliedRetention, retentionRunStream } from '../domain/retention/run-events.ts';
import { decision, type Recorder } from './record.ts';

/** Says what the task of a run has removed, once however often its end is reached; nothing where it removed nothing. */
export const tellRetentionRun =
  ({ record }: { readonly record: Recorder }) =>
  async (applied: AppliedRetention, metadata: Metadata): Promise<bigint> => {
    const told = decision(retentionRunStream(applied.taskId), retentionRunDecider, applied);
    return (await record(metadata, told)).position;
  };
