import type { AuditRecord } from '../../domain/audit/record.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import { type AuditedEvent, auditedTypes, tell } from './act.ts';

const audited: ReadonlySet<string> = new Set(auditedTypes);
const isAudited = (event: RecordedEvent): event is RecordedEvent<AuditedEvent> => audited.has(event.type);

/**
 * Undefined for what the audit log does not tell of. Nothing but the event is looked at.
 * @param robotPrefix what the names of robots begin with
 */
export function auditRecordOf(event: RecordedEvent, robotPrefix: string): AuditRecord | undefined {
  const told = isAudited(event) ? tell(event) : undefined;
  if (told === undefined) return undefined;
  const { traceparent } = event.metadata;
  return {
    ...told,
    projectId: told.projectId ?? null,
    actor: told.actorKind === 'robot' ? robotPrefix + told.actor : told.actor,
    eventType: event.type,
    ...(traceparent !== undefined && { traceparent }),
  };
}
