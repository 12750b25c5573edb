import type { Metadata } from '../domain/event.ts';
import { type ImmutableRule, immutabilityDecider } from '../domain/immutability/decider.ts';
import { immutabilityStream } from '../domain/immutability/events.ts';
import { requiringProject } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import type { AllocateId } from './allocate-id.ts';
import { decision, type Recorder } from './record.ts';

export interface CreateImmutableRule {
  readonly project: { readonly name: string; readonly projectId: number };
  readonly rule: ImmutableRule;
}

/**
 * @throws Refusal `immutable-rule-exists`, `too-many-immutable-rules`, `immutable-patterns-too-long`,
 * `project-unknown`
 */
export const createImmutableRule =
  ({ record, allocateId }: { readonly record: Recorder; readonly allocateId: AllocateId }) =>
  async (
    { project, rule }: CreateImmutableRule,
    metadata: Metadata,
  ): Promise<{ readonly ruleId: number; readonly position: bigint }> => {
    const { name, projectId } = project;
    const ruleId = await allocateId('immutable-rule', metadata);
    const decider = immutabilityDecider({ ruleId, project: name, projectId });
    const { position } = await record(
      metadata,
      decision(projectStream(name), requiringProject, project),
      decision(immutabilityStream(projectId), decider, { do: 'create', rule }),
    );
    return { ruleId, position };
  };
