import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { ConfigurationEvent } from './events.ts';
import { type Configuration, faultIn, type ItemName, overlaid, type Secrets } from './items.ts';
import type { Value } from './kinds.ts';

interface Values {
  readonly items: Readonly<Partial<Record<ItemName, Value>>>;
  /** Encrypted. */
  readonly sealed: Partial<Secrets>;
}

export type ConfigurationCommand =
  /** What the environment says at the first start. */
  | ({ readonly do: 'seed' } & Values)
  | ({
      readonly do: 'change';
      /** What items are that nobody has set. */
      readonly standard: Configuration;
      /** Whether anybody but the first administrator has an account; a fact, read before deciding. */
      readonly hasUsers: boolean;
    } & Values);

/** What has been set, by name. */
export interface Configured {
  readonly items: Readonly<Record<string, Value>>;
  readonly sealed: Readonly<Record<string, string>>;
  readonly isUntouched: boolean;
}

export const configurationDecider: Decider<Configured, ConfigurationCommand, ConfigurationEvent> = {
  initial: { items: {}, sealed: {}, isUntouched: true },

  decide(configured, command) {
    const { sealed } = command;
    if (command.do === 'seed')
      return configured.isUntouched ? changedTo(command.items as Record<string, Value>, sealed) : [];

    const before = overlaid(command.standard, configured.items);
    // What stays as it is breaks no rule: clients send back whole documents that they have read.
    const changes = Object.entries(command.items).filter(
      ([name, value]) => (before as Record<string, Value>)[name] !== value,
    );
    const items = Object.fromEntries(changes);
    if (items.auth_mode !== undefined && command.hasUsers) throw new Refusal({ kind: 'auth-mode-locked' });
    for (const [name, value] of changes) refuseFaulty(name as ItemName, value);
    const after = overlaid(before, items);
    if (after.skip_audit_log_database && after.audit_log_forward_endpoint === '')
      throw new Refusal({ kind: 'audit-endpoint-missing' });
    return changedTo(items, sealed);
  },

  evolve: ({ items, sealed }, { data }) => ({
    items: { ...items, ...data.items },
    sealed: { ...sealed, ...data.sealed },
    isUntouched: false,
  }),
};

function changedTo(items: Readonly<Record<string, Value>>, sealed: Partial<Secrets>): ConfigurationEvent[] {
  if (Object.keys(items).length === 0 && Object.keys(sealed).length === 0) return [];
  return [{ type: 'ConfigurationChanged', data: { items, sealed } }];
}

function refuseFaulty(item: ItemName, value: Value): void {
  const expected = faultIn(item, value);
  if (expected !== undefined) throw new Refusal({ kind: 'configuration-invalid', item, expected });
}
