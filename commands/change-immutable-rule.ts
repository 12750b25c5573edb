import type { Metadata } from '../domain/event.ts';
import { type ImmutableRuleChange, immutabilityDecider } from '../domain/immutability/decider.ts';
import { immutabilityStream } from '../domain/immutability/events.ts';
import { decision, type Recorder } from './record.ts';

export interface ImmutableRuleKey {
  readonly ruleId: number;
  readonly project: { readonly name: string; readonly projectId: number };
}

/** Resolves to the log's position. @throws Refusal `immutable-rule-exists`, `immutable-rule-unknown`, `immutable-patterns-too-long` */
export const changeImmutableRule =
  ({ record }: { readonly record: Recorder }) =>
  async (
    { ruleId, project, rule }: ImmutableRuleKey & { readonly rule: ImmutableRuleChange },
    metadata: Metadata,
  ): Promise<bigint> => {
    const { name, projectId } = project;
    const decider = immutabilityDecider({ ruleId, project: name, projectId });
    const changed = decision(immutabilityStream(projectId), decider, { do: 'change', rule });
    return (await record(metadata, changed)).position;
  };
