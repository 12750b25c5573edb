import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { SealedTarget, WebhookEvent, WebhookEventType } from './events.ts';

export interface WebhookSettings {
  /** Of a change, empty where it stays as it is. */
  readonly name: string;
  readonly description: string;
  readonly targets: readonly SealedTarget[];
  readonly eventTypes: readonly WebhookEventType[];
  readonly isEnabled: boolean;
}

export type WebhookCommand =
  | { readonly do: 'create' | 'change'; readonly settings: WebhookSettings }
  | { readonly do: 'delete' };

/** The names of the policies of a project by their numbers. */
type Names = ReadonlyMap<number, string>;

/** Each is looked at for everything that happens in the project. */
export const maxPolicies = 100;

/** The policy `policyId` among those of its project. */
export const webhookDecider = (which: {
  readonly policyId: number;
  readonly project: string;
  readonly projectId: number;
}): Decider<Names, WebhookCommand, WebhookEvent> => ({
  initial: new Map(),

  decide(names, command) {
    const { policyId, project } = which;
    const name = names.get(policyId);
    if (command.do !== 'create' && name === undefined)
      throw new Refusal({ kind: 'webhook-policy-unknown', policyId });
    if (command.do === 'delete')
      return [{ type: 'WebhookPolicyDeleted', data: { ...which, name: name as string } }];
    // `harbor webhook edit --webhook-id` sends all of a policy but its name.
    const keepsName = command.do === 'change' && name !== undefined && command.settings.name === '';
    const settings = keepsName ? { ...command.settings, name } : command.settings;
    for (const [id, taken] of names)
      if (id !== policyId && taken === settings.name)
        throw new Refusal({ kind: 'webhook-policy-exists', project, name: taken });
    if (command.do === 'create' && names.size >= maxPolicies)
      throw new Refusal({ kind: 'too-many-webhook-policies', max: maxPolicies });
    const { targets, eventTypes } = settings;
    const data = { ...which, ...settings, targets: [...targets], eventTypes: [...eventTypes] };
    return [{ type: command.do === 'create' ? 'WebhookPolicyCreated' : 'WebhookPolicyChanged', data }];
  },

  evolve(names, { type, data: { policyId, name } }) {
    const after = new Map(names);
    if (type === 'WebhookPolicyDeleted') after.delete(policyId);
    else after.set(policyId, name);
    return after;
  },
});
