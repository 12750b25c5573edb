import type { AuditEntry } from './entry.ts';
import { entryJson } from './formats.ts';

/**
 * What is said of an event to who keeps an audit log of his own; the same whenever it is said again. What settings were
 * before only the audit log of the registry knows.
 */
export interface AuditRecord extends Omit<AuditEntry, 'before' | 'after'> {
  /** As it is shown, with the prefix of a robot. */
  readonly actor: string;
  /** The type of the event in the log. */
  readonly eventType: string;
  /** The name of the project at the time, where the number is not known. */
  readonly project?: string;
  /** W3C Trace Context. */
  readonly traceparent?: string;
}

/** As an entry of the audit log. */
export const entryOfRecord = (record: AuditRecord): AuditEntry => ({ ...record, before: null, after: null });

/** As JSON, by the names of the management API; what is not known is left out. */
export function recordJson(record: AuditRecord): RecordJson {
  const json = {
    ...entryJson(entryOfRecord(record), ''),
    event_type: record.eventType,
    project: record.project ?? null,
  };
  const known = Object.entries(json).filter(([, value]) => value !== null);
  return Object.fromEntries(known) as unknown as RecordJson;
}

export interface RecordJson {
  readonly event_id: string;
  readonly time: string;
  readonly operation: string;
  readonly description: string;
  readonly [name: string]: string | number;
}
