import { type AuditEntry, credentialOf } from './entry.ts';

/** The forms in which entries leave; each entry is one line, which ends here without its line break. */
export const auditFormats = ['csv', 'ndjson', 'cef'] as const;
export type AuditFormat = (typeof auditFormats)[number];

export interface AuditWriter {
  /** What stands before the first entry; undefined where nothing does. */
  readonly head?: string;
  readonly lineBreak: '\n' | '\r\n';
  readonly contentType: string;
  line(entry: AuditEntry): string;
}

/** What does not depend on the entry. */
export interface WriterSettings {
  /** Who tells: the host name of the registry. */
  readonly host: string;
  readonly version: string;
  /** What the names of robots begin with. */
  readonly robotPrefix: string;
}

const nameOf = ({ actorKind, actor }: AuditEntry, robotPrefix: string): string =>
  actorKind === 'robot' ? robotPrefix + actor : actor;

/** An entry as JSON: the form of the management API, of NDJSON and of what is forwarded. */
export const entryJson = (entry: AuditEntry, robotPrefix: string) => ({
  id: Number(entry.position),
  event_id: entry.eventId,
  time: entry.at.toISOString(),
  operation: entry.operation,
  resource_type: entry.resourceType,
  resource: entry.resource,
  description: entry.description,
  actor_kind: entry.actorKind,
  actor: nameOf(entry, robotPrefix),
  credential: credentialOf(entry),
  access_token: entry.accessToken,
  address: entry.address,
  user_agent: entry.userAgent,
  project_id: entry.projectId,
  result: entry.succeeded ? ('success' as const) : ('failure' as const),
  reason: entry.reason,
  correlation_id: entry.correlationId,
  request_id: entry.requestId,
  before: entry.before,
  after: entry.after,
});
export type EntryJson = ReturnType<typeof entryJson>;

/** One JSON object a line; JSON itself escapes line breaks. */
export const ndjsonWriter = ({ robotPrefix }: Pick<WriterSettings, 'robotPrefix'>): AuditWriter => ({
  lineBreak: '\n',
  contentType: 'application/x-ndjson',
  line: (entry) => JSON.stringify(entryJson(entry, robotPrefix)),
});

const columns = [
  ...['id', 'event_id', 'time', 'operation', 'resource_type', 'resource', 'description', 'actor_kind'],
  ...['actor', 'credential', 'access_token', 'address', 'user_agent', 'project_id', 'result', 'reason'],
  ...['correlation_id', 'request_id', 'before', 'after'],
] as const satisfies readonly (keyof EntryJson)[];

/** RFC 4180, with the names of the columns first. */
export const csvWriter = ({ robotPrefix }: Pick<WriterSettings, 'robotPrefix'>): AuditWriter => ({
  head: columns.join(','),
  lineBreak: '\r\n',
  contentType: 'text/csv; charset=utf-8; header=present',
  line(entry) {
    const json: Readonly<Record<string, unknown>> = entryJson(entry, robotPrefix);
    return columns.map((column) => csvField(json[column])).join(',');
  },
});

/**
 * What a spreadsheet would take for a formula begins with an apostrophe, which makes it text there; a line break or tab
 * in front counts for it too, and so do the signs in full width.
 */
function csvField(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const harmless = /^[=+\-@＝＋－＠\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** ArcSight's Common Event Format, version 0. */
export const cefWriter = ({ host, version, robotPrefix }: WriterSettings): AuditWriter => ({
  lineBreak: '\n',
  contentType: 'text/plain; charset=utf-8',
  line(entry) {
    const header = ['Shiplog', 'Shiplog', version, entry.operation, entry.description, severityOf(entry)];
    const extension: readonly (readonly [key: string, value: string | null])[] = [
      ['rt', String(entry.at.getTime())],
      ['dvchost', host],
      ['externalId', entry.eventId],
      ['act', entry.operation],
      ['outcome', entry.succeeded ? 'success' : 'failure'],
      ['suser', nameOf(entry, robotPrefix)],
      ...addressOf(entry.address),
      ['requestClientApplication', entry.userAgent],
      ['reason', entry.reason],
      ...customStrings([
        ['resource', entry.resource],
        ['resourceType', entry.resourceType],
        ['correlationId', entry.correlationId],
        ['requestId', entry.requestId],
        ['actorKind', entry.actorKind],
        ['credential', credentialOf(entry)],
      ]),
      ...customNumbers([
        ['position', entry.position],
        ['projectId', entry.projectId],
        ['accessToken', entry.accessToken],
      ]),
      ...(entry.before === null ? [] : ([['oldValue', JSON.stringify(entry.before)]] as const)),
      ...(entry.after === null ? [] : ([['newValue', JSON.stringify(entry.after)]] as const)),
    ];
    const said = extension.flatMap(([key, value]) =>
      value === null ? [] : [`${key}=${cefExtension(value)}`],
    );
    return `CEF:0|${header.map(cefHeader).join('|')}|${said.join(' ')}`;
  },
});

/** From 0 to 10: what was tried in vain is of more interest than what was done, and pulls of the least. */
const severityOf = ({ operation, succeeded }: AuditEntry): string => {
  if (!succeeded) return '6';
  if (operation === 'pull_artifact' || operation.startsWith('log')) return '1';
  return /^(?:delete|remove|revoke|purge|damage)_/.test(operation) ? '5' : '3';
};

/** `src` is for IPv4 alone; IPv6 has a place of its own. */
const addressOf = (address: string | null): (readonly [string, string])[] => {
  if (address === null) return [];
  if (!address.includes(':')) return [['src', address]];
  return [
    ['c6a2', address],
    ['c6a2Label', 'Source IPv6 Address'],
  ];
};

type Labelled = readonly (readonly [label: string, value: string | number | null])[];
const labelled = (prefix: string) => (values: Labelled) =>
  values.flatMap(([label, value], index): (readonly [string, string])[] =>
    value === null || value === ''
      ? []
      : [
          [`${prefix}${index + 1}`, String(value)],
          [`${prefix}${index + 1}Label`, label],
        ],
  );
const customStrings = labelled('cs');
const customNumbers = labelled('cn');

/** No line break can stand in a header at all. */
const cefHeader = (text: string): string => text.replace(/[\r\n]+/g, ' ').replace(/[\\|]/g, '\\$&');
const cefExtension = (text: string): string =>
  text.replace(/[\\=]/g, '\\$&').replaceAll('\r\n', '\\n').replaceAll('\n', '\\n').replaceAll('\r', '\\r');

const writers: Readonly<Record<AuditFormat, (settings: WriterSettings) => AuditWriter>> = {
  csv: csvWriter,
  ndjson: ndjsonWriter,
  cef: cefWriter,
};
export const auditWriter = (format: AuditFormat, settings: WriterSettings): AuditWriter =>
  writers[format](settings);
