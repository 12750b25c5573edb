import type { Decider } from '../decider.ts';
import { type Project, projectDecider } from '../project/decider.ts';
import type { ProjectEvent } from '../project/events.ts';
import { retentionKey } from '../project/metadata.ts';
import { Refusal } from '../refusal.ts';
import type { RetentionEvent } from './events.ts';
import type { RetentionRule } from './rules.ts';

export interface RetentionSettings {
  readonly rules: readonly RetentionRule[];
  /** Empty for never. */
  readonly cron: string;
}

export interface RetentionScope {
  readonly project: string;
  readonly projectId: number;
}

export type RetentionPolicy = null | (RetentionScope & RetentionSettings);

export type RetentionCommand =
  | ({ readonly do: 'create' } & RetentionScope & RetentionSettings)
  | ({ readonly do: 'change' } & RetentionSettings)
  | { readonly do: 'delete' };

/** The policy `policyId`, or null while there is none. */
export const retentionDecider = (
  policyId: number,
): Decider<RetentionPolicy, RetentionCommand, RetentionEvent> => ({
  initial: null,

  decide(policy, command) {
    if (command.do === 'create') {
      // Its number was given away for it: it is its own creation, decided again.
      if (policy !== null) return [];
      const { project, projectId, rules, cron } = command;
      return [
        { type: 'RetentionPolicyCreated', data: { policyId, project, projectId, rules: [...rules], cron } },
      ];
    }
    if (policy === null) throw new Refusal({ kind: 'retention-unknown', policyId });
    const { project, projectId } = policy;
    const which = { policyId, project, projectId };
    if (command.do === 'delete') return [{ type: 'RetentionPolicyDeleted', data: which }];
    const { rules, cron } = command;
    if (cron === policy.cron && JSON.stringify(rules) === JSON.stringify(policy.rules)) return [];
    return [{ type: 'RetentionPolicyChanged', data: { ...which, rules: [...rules], cron } }];
  },

  evolve(_, event) {
    if (event.type === 'RetentionPolicyDeleted') return null;
    const { project, projectId, rules, cron } = event.data;
    return { project, projectId, rules, cron };
  },
});

interface Binding {
  readonly name: string;
  readonly projectId: number;
  readonly policyId: number;
}

/** The setting by which clients find the policy of a project; a project has one at most. */
export const bindingRetention: Decider<Project | null, Binding, ProjectEvent> = {
  ...projectDecider,
  decide(project, { name, projectId, policyId }) {
    const bound = project?.projectId === projectId ? project.metadata[retentionKey] : undefined;
    if (bound === String(policyId)) return [];
    if (bound !== undefined)
      throw new Refusal({ kind: 'retention-exists', projectId, policyId: Number(bound) });
    const metadata = { [retentionKey]: String(policyId) };
    return projectDecider.decide(project, { do: 'change', name, projectId, metadata });
  },
};

/** The policy goes; of a project that is gone, or has another policy by now, nothing is left to change. */
export const releasingRetention: Decider<Project | null, Binding, ProjectEvent> = {
  ...projectDecider,
  decide(project, { name, projectId, policyId }) {
    if (project?.projectId !== projectId || project.metadata[retentionKey] !== String(policyId)) return [];
    const metadata = { [retentionKey]: null };
    return projectDecider.decide(project, { do: 'change', name, projectId, metadata });
  },
};
