import type { Metadata } from '../domain/event.ts';
import { type RetentionSettings, retentionDecider } from '../domain/retention/decider.ts';
import { retentionStream } from '../domain/retention/events.ts';
import { decision, type Recorder } from './record.ts';

/** Resolves to the log's position. @throws Refusal `retention-unknown` */
export const changeRetentionPolicy =
  ({ record }: { readonly record: Recorder }) =>
  async (
    { policyId, ...settings }: RetentionSettings & { readonly policyId: number },
    metadata: Metadata,
  ): Promise<bigint> => {
    const command = { do: 'change', ...settings } as const;
    const decider = retentionDecider(policyId);
    return (await record(metadata, decision(retentionStream(policyId), decider, command))).position;
  };
