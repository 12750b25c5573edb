import type { Decider } from '../decider.ts';
import type { AuditSettingsEvent } from './events.ts';

/** What settings of the audit log are pinned to, by their names. */
export type AuditPins = AuditSettingsEvent['data']['items'];
type Name = keyof AuditPins;

export const auditSettings = [
  'disabled_audit_log_event_types',
  'pull_audit_log_disable',
  'skip_audit_log_database',
] as const satisfies readonly Name[];

/** Nothing happens while the deployment pins what it did. */
export const auditPinsDecider: Decider<AuditPins, AuditPins, AuditSettingsEvent> = {
  initial: {},
  decide: (pinned, items) =>
    auditSettings.every((name) => pinned[name] === items[name])
      ? []
      : [{ type: 'AuditSettingsPinned', data: { items } }],
  evolve: (_, { data }) => data.items,
};
