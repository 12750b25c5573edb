import { randomUUID } from 'node:crypto';
import { type PurgeAuditLogPorts, purgeAuditLog } from '../commands/purge-audit-log.ts';
import type { Recorder } from '../commands/record.ts';
import type { AuditPorts } from '../gateway/api/audit-logs.ts';
import { type ViewDatabase, viewOf } from '../infra/database/projection.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { Views } from '../infra/views/port.ts';
import { type AuditDatabase, audit } from '../projections/audit/projection.ts';
import { purgeMonth, purgeSlice } from '../projections/audit/purge.ts';
import { listAudit } from '../projections/audit/queries.ts';
import { findAuditEntry, searchAudit } from '../projections/audit/search.ts';
import type { Current } from './api-parts.ts';

export interface AuditEngines {
  readonly log: Pick<EventLog, 'head'>;
  readonly views: Pick<Views, 'reached'>;
}

/** What the management API asks of the audit log; no write waits for it. */
export const auditParts = (
  { log, views }: AuditEngines,
  { kysely, current }: { readonly kysely: ViewDatabase; readonly current: Current },
): Omit<AuditPorts, 'auditExports'> => ({
  listAudit: current(listAudit.bind(undefined, viewOf<AuditDatabase>(kysely, audit))),
  searchAudit: current(searchAudit.bind(undefined, viewOf<AuditDatabase>(kysely, audit))),
  findAuditEntry: current(findAuditEntry.bind(undefined, viewOf<AuditDatabase>(kysely, audit))),
  auditIsCurrent: async () => views.reached(await log.head(), [audit]),
});

/** The purge of the audit log, for the job that runs it. */
export const auditPurge = (
  { record, views }: Pick<AuditEngines, 'views'> & { readonly record: Recorder },
  { kysely, current }: { readonly kysely: ViewDatabase; readonly current: Current },
): ReturnType<typeof purgeAuditLog> => {
  const inAudit = viewOf<AuditDatabase>(kysely, audit);
  const ports: PurgeAuditLogPorts = {
    record,
    purgeMonth: current(purgeMonth.bind(undefined, inAudit)),
    purgeSlice: current(purgeSlice.bind(undefined, inAudit)),
    auditReached: (position) => views.reached(position, [audit]),
    newRun: randomUUID,
    now: () => new Date(),
  };
  return purgeAuditLog(ports);
};
