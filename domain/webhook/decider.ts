import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import {
  noFilters,
  type SealedTarget,
  type WebhookEvent,
  type WebhookEventType,
  type WebhookFilters,
} from './events.ts';

export interface WebhookSettings {
  /** Of a change, empty where it stays as it is. */
  readonly name: string;
  readonly description: string;
  readonly targets: readonly SealedTarget[];
  readonly eventTypes: readonly WebhookEventType[];
  readonly isEnabled: boolean;
  /** Of a change, left out where they stay as they are. */
  readonly filters?: WebhookFilters;
}

export type WebhookCommand =
  | { readonly do: 'create' | 'change'; readonly settings: WebhookSettings }
  | { readonly do: 'change-secret'; readonly sealed: string; readonly now: Date }
  | { readonly do: 'remove-secret' | 'delete' };

interface Policy {
  readonly name: string;
  readonly filters: WebhookFilters;
  /** What it signs with, and did before; null where it does not. */
  readonly signing: Signing | null;
}
export type Signing = Pick<SecretChange, 'sealed' | 'previous'>;
type SecretChange = Extract<WebhookEvent, { type: 'WebhookSecretChanged' }>['data'];

/** The policies of a project by their numbers. */
type Policies = ReadonlyMap<number, Policy>;

/** Each is looked at for everything that happens in the project. */
export const maxPolicies = 100;
/** How long a secret signs as well after the next one has come, so that who checks can follow. */
const overlapMs = 24 * 60 * 60 * 1000;
/** How many of those there are at once, each of which makes the header of a delivery longer. */
const maxPrevious = 4;

/** The policy `policyId` among those of its project, or among those that are for every project. */
export const webhookDecider = (which: {
  readonly policyId: number;
  readonly project: string | null;
  readonly projectId: number | null;
}): Decider<Policies, WebhookCommand, WebhookEvent> => ({
  initial: new Map(),

  decide(policies, command) {
    const { policyId, project } = which;
    const before = policies.get(policyId);
    if (command.do === 'create') return [{ type: 'WebhookPolicyCreated', data: asIt(command.settings) }];
    if (before === undefined) throw new Refusal({ kind: 'webhook-policy-unknown', policyId });
    const named = { ...which, name: before.name };
    switch (command.do) {
      case 'change':
        return [{ type: 'WebhookPolicyChanged', data: asIt(command.settings) }];
      case 'change-secret': {
        const { sealed, now } = command;
        return [
          {
            type: 'WebhookSecretChanged',
            data: { ...named, sealed, previous: overlapping(before.signing, now) },
          },
        ];
      }
      case 'remove-secret':
        return before.signing === null ? [] : [{ type: 'WebhookSecretRemoved', data: named }];
      case 'delete':
        return [{ type: 'WebhookPolicyDeleted', data: named }];
    }

    function asIt({
      targets,
      eventTypes,
      filters = before?.filters ?? noFilters,
      ...settings
    }: WebhookSettings) {
      // `harbor webhook edit --webhook-id` sends all of a policy but its name.
      const name = settings.name === '' ? (before?.name ?? '') : settings.name;
      for (const [id, { name: taken }] of policies)
        if (id !== policyId && taken === name)
          throw new Refusal({ kind: 'webhook-policy-exists', project, name: taken });
      if (before === undefined && policies.size >= maxPolicies)
        throw new Refusal({ kind: 'too-many-webhook-policies', max: maxPolicies });
      return { ...which, ...settings, name, targets: [...targets], eventTypes: [...eventTypes], filters };
    }
  },

  evolve(policies, { type, data }) {
    const { policyId, name } = data;
    const after = new Map(policies);
    const { filters, signing } = policies.get(policyId) ?? { filters: noFilters, signing: null };
    switch (type) {
      case 'WebhookPolicyCreated':
      case 'WebhookPolicyChanged':
        return after.set(policyId, { name, filters: data.filters, signing });
      case 'WebhookSecretChanged':
        return after.set(policyId, { name, filters, signing: data });
      case 'WebhookSecretRemoved':
        return after.set(policyId, { name, filters, signing: null });
      case 'WebhookPolicyDeleted':
        after.delete(policyId);
        return after;
    }
  },
});

function overlapping(signing: Signing | null, now: Date): Signing['previous'] {
  if (signing === null) return [];
  const last = { sealed: signing.sealed, until: new Date(now.getTime() + overlapMs).toISOString() };
  const still = signing.previous.filter(({ until }) => Date.parse(until) > now.getTime());
  return [last, ...still].slice(0, maxPrevious);
}
