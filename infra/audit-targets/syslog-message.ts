import { cefWriter } from '../../domain/audit/formats.ts';
import { type AuditRecord, entryOfRecord, recordJson } from '../../domain/audit/record.ts';
import type { Origin } from './port.ts';

/** How a record becomes bytes on a connection to a syslog server. */
export type SyslogForm = (record: AuditRecord) => Buffer;

/** RFC 5424, section 6.2.1: log audit, and its severities. */
const logAudit = 13;
const informational = 6;
const warning = 4;

/** The number that RFC 5612 keeps for examples: there is none of Shiplog's own. */
const enterprise = '32473';

/**
 * A message of RFC 5424 behind its length (RFC 6587, section 3.4.1; RFC 5425), so that no character ends it. The id of the
 * event is in the structured data, in `shiplog@32473`.
 */
export const rfc5424 = (format: 'cef' | 'json', { hostname, version }: Origin): SyslogForm => {
  const cef = cefWriter({ host: hostname, version, robotPrefix: '' });
  return (record) => {
    const priority = logAudit * 8 + (record.succeeded ? informational : warning);
    const header = [
      `<${priority}>1`,
      record.at.toISOString(),
      nameOf(hostname, 255),
      'shiplog',
      '-',
      nameOf(record.operation, 32),
      structured({
        id: record.eventId,
        operation: record.operation,
        actor: record.actor,
        result: record.succeeded ? 'success' : 'failure',
      }),
    ].join(' ');
    const text = format === 'cef' ? cef.line(entryOfRecord(record)) : JSON.stringify(recordJson(record));
    const message = Buffer.from(`${header} ${oneLine(text)}`);
    return Buffer.concat([Buffer.from(`${message.length} `), message]);
  };
};

/** Printable ASCII, or a hyphen for nothing. */
const nameOf = (text: string, longest: number): string =>
  text.replace(/[^\x21-\x7e]/g, '_').slice(0, longest) || '-';

const structured = (values: Readonly<Record<string, string>>): string => {
  const parameters = Object.entries(values).map(
    ([name, value]) => `${name}="${oneLine(value).replace(/["\\\]]/g, '\\$&')}"`,
  );
  return `[shiplog@${enterprise} ${parameters.join(' ')}]`;
};

/**
 * As Harbor sends to the endpoint that is set by its API: the syslog of Go, a line for each, with the text of its own
 * logger; `id` is Shiplog's.
 */
export const harborLine =
  ({ hostname }: Origin): SyslogForm =>
  ({ eventId: id, at, actor, resourceType, operation, resource }) => {
    const time = `${at.toISOString().slice(0, 19)}Z`;
    const fields = Object.entries({ id, operator: actor, resourceType, time }).map(
      ([name, value]) => `${name}="${oneLine(value)}"`,
    );
    const text = `[INFO] [${fields.join(' ')}]: action:${operation.split('_', 1)[0]}, resource:${oneLine(resource)}`;
    return Buffer.from(`<6>${time} ${nameOf(hostname, 255)} audit[1]: ${time} ${text}\n`);
  };

const oneLine = (text: string): string => text.toWellFormed().replace(/\p{Cc}/gu, ' ');
