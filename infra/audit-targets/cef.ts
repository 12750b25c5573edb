import type { AuditRecord } from '../../domain/audit/record.ts';
import type { Origin } from './port.ts';

/** A record in ArcSight's Common Event Format. */
export function cefOf(record: AuditRecord, { hostname, version }: Origin): string {
  const header = [
    'Shiplog',
    'Shiplog',
    version,
    record.type,
    record.description,
    record.succeeded ? '3' : '6',
  ];
  const extension = {
    rt: String(record.at.getTime()),
    externalId: record.id,
    dvchost: hostname,
    suser: record.actor,
    src: record.address,
    requestClientApplication: record.agent,
    act: record.operation,
    outcome: record.succeeded ? 'success' : 'failure',
    reason: record.reason,
    cs1Label: 'resource',
    cs1: record.resource,
    cs2Label: 'resourceType',
    cs2: record.resourceType,
    cs3Label: 'actorKind',
    cs3: record.actorKind,
    cs4Label: record.correlationId && 'correlationId',
    cs4: record.correlationId,
    cs5Label: record.project && 'project',
    cs5: record.project,
  };
  const pairs = Object.entries(extension).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${escaped(value, /[\\=]/g)}`],
  );
  return `CEF:0|${header.map((part) => escaped(part, /[\\|]/g, ' ')).join('|')}|${pairs.join(' ')}`;
}

/** Lines break in values of the extension alone. */
const escaped = (text: string, special: RegExp, lineBreak = '\\n'): string =>
  text
    .replace(special, '\\$&')
    .replace(/\r\n|\r|\n/g, lineBreak)
    .replace(/\p{Cc}/gu, ' ');
