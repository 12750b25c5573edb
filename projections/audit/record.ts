import type { AuditRecord } from '../../domain/audit/record.ts';
import { partsOf } from '../../domain/audit/types.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import { entryOf, type ToldEvent } from './entry.ts';
import { audit } from './projection.ts';

const told: ReadonlySet<string> = new Set(audit.handles);

/** Undefined for what the audit log does not tell of. Nothing but the event is looked at. */
export function auditRecordOf(event: RecordedEvent): AuditRecord | undefined {
  const entry = told.has(event.type) ? entryOf(event as RecordedEvent<ToldEvent>) : undefined;
  if (entry === undefined) return undefined;
  const { actor, accessToken, clientIp, userAgent, reason, correlationId, requestId, traceparent } =
    event.metadata;
  const [kind = '', name] = actor.split(/:(.*)/s, 2);
  const given = {
    accessToken,
    address: clientIp,
    agent: userAgent,
    reason,
    correlationId,
    requestId,
    traceparent,
    project: entry.project,
    projectId: entry.projectId,
  };
  return {
    id: event.id,
    position: event.position,
    at: event.type === 'ArtifactPulled' ? pulledAt(event) : event.recordedAt,
    type: entry.type,
    ...partsOf(entry.type),
    eventType: event.type,
    ...(entry.username === undefined
      ? { actorKind: kind as AuditRecord['actorKind'], actor: name ?? kind }
      : { actorKind: 'user', actor: entry.username }),
    resource: entry.resource,
    description: entry.description,
    succeeded: entry.failed !== true,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  };
}

const pulledAt = ({ data }: RecordedEvent): Date =>
  new Date((data as { readonly pulledAt: string }).pulledAt);
