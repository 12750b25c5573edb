import type { Decider } from '../decider.ts';
import type { WebhookPauseEvent } from './events.ts';

export type WebhookPauseCommand =
  | { readonly do: 'pause'; readonly target: number | null; readonly reason: string }
  | { readonly do: 'resume'; readonly from: bigint | null };

export interface PausablePolicy {
  readonly policyId: number;
  /** Null for one that is for every project. */
  readonly projectId: number | null;
  readonly name: string;
}

/** Which targets of the policy are paused; null among them for all. */
export const webhookPauseDecider = ({
  policyId,
  projectId,
  name,
}: PausablePolicy): Decider<ReadonlySet<number | null>, WebhookPauseCommand, WebhookPauseEvent> => ({
  initial: new Set(),

  decide(paused, command) {
    if (command.do === 'pause') {
      const { target, reason } = command;
      if (paused.has(target)) return [];
      return [{ type: 'WebhookPolicyPaused', data: { policyId, projectId, name, target, reason } }];
    }
    // Also where nothing is paused: what has piled up behind a target that fails can be left out.
    if (paused.size === 0 && command.from === null) return [];
    const from = command.from === null ? null : String(command.from);
    return [{ type: 'WebhookPolicyResumed', data: { policyId, projectId, name, from } }];
  },

  evolve: (paused, event) =>
    event.type === 'WebhookPolicyResumed' ? new Set() : new Set([...paused, event.data.target]),
});
