import { auditSettingsStream } from '../domain/audit/events.ts';
import { type AuditPins, auditPinsDecider, auditSettings } from '../domain/audit/pins.ts';
import type { Configuration } from '../domain/configuration/items.ts';
import { decision, type Recorder } from './record.ts';

/**
 * Records what the deployment pins of the settings that say what the audit log leaves out: its view goes by events alone.
 * Of processes with different pins the one that has started last counts.
 */
export const pinAuditSettings =
  ({ record }: { readonly record: Recorder }) =>
  async (pinned: Partial<Configuration>): Promise<void> => {
    const items = Object.fromEntries(
      auditSettings.flatMap((name) => (pinned[name] === undefined ? [] : [[name, pinned[name]]])),
    ) as AuditPins;
    await record({ actor: 'system' }, decision(auditSettingsStream, auditPinsDecider, items, 'last'));
  };
