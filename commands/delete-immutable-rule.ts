import type { Metadata } from '../domain/event.ts';
import { immutabilityDecider } from '../domain/immutability/decider.ts';
import { immutabilityStream } from '../domain/immutability/events.ts';
import type { ImmutableRuleKey } from './change-immutable-rule.ts';
import { decision, type Recorder } from './record.ts';

/** Resolves to the log's position. @throws Refusal `immutable-rule-unknown` */
export const deleteImmutableRule =
  ({ record }: { readonly record: Recorder }) =>
  async ({ ruleId, project }: ImmutableRuleKey, metadata: Metadata): Promise<bigint> => {
    const { name, projectId } = project;
    const decider = immutabilityDecider({ ruleId, project: name, projectId });
    const deleted = decision(immutabilityStream(projectId), decider, { do: 'delete' });
    return (await record(metadata, deleted)).position;
  };
