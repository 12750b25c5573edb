import { type AuditRecord, recordJson } from '../../domain/audit/record.ts';
import { type AuditTarget, BatchRefused, type Origin } from './port.ts';
import { type HttpOptions, jsonIn, poster, requireTaken } from './post.ts';

export interface OtlpOptions extends HttpOptions {
  /** Where logs go: the path too. */
  readonly url: URL;
  readonly authorization: string | undefined;
  readonly origin: Origin;
}

/** Severity numbers of the data model of logs. */
const info = 9;
const warn = 13;

/** OpenTelemetry's logs over OTLP/HTTP, in its JSON. */
export function otlpTarget(options: OtlpOptions): AuditTarget {
  const { url, authorization, origin } = options;
  const sender = poster(options);
  const resource = {
    attributes: attributesOf({
      'service.name': 'shiplog',
      'service.version': origin.version,
      'host.name': origin.hostname,
    }),
  };
  const headers = {
    'content-type': 'application/json',
    ...(authorization !== undefined && { authorization }),
  };
  return {
    async send(records, over) {
      const scopeLogs = [{ scope: { name: 'shiplog.audit' }, logRecords: records.map(logRecordOf) }];
      const body = JSON.stringify({ resourceLogs: [{ resource, scopeLogs }] });
      const answer = await sender.post(url, headers, body, over);
      requireTaken(sender, answer);
      const { partialSuccess } = (jsonIn(answer) ?? {}) as {
        readonly partialSuccess?: { readonly rejectedLogRecords?: string | number };
      };
      // It does not say which: who sends them one by one finds out.
      if (Number(partialSuccess?.rejectedLogRecords ?? 0) > 0) throw new BatchRefused(sender.words(answer));
      return { refused: [] };
    },
    close: () => sender.close(),
  };
}

function logRecordOf(record: AuditRecord): object {
  const { description, time: _, ...more } = recordJson(record);
  const nanoseconds = `${record.at.getTime()}000000`;
  const [, traceId, spanId, flags] =
    /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(record.traceparent ?? '') ?? [];
  return {
    timeUnixNano: nanoseconds,
    observedTimeUnixNano: nanoseconds,
    severityNumber: record.succeeded ? info : warn,
    severityText: record.succeeded ? 'INFO' : 'WARN',
    eventName: `shiplog.audit.${record.operation}`,
    body: { stringValue: description },
    attributes: attributesOf(more),
    ...(traceId !== undefined && { traceId, spanId, flags: Number.parseInt(flags ?? '0', 16) }),
  };
}

/** Whole numbers are strings in OTLP's JSON, being of 64 bits. */
const attributesOf = (of: Readonly<Record<string, string | number | undefined>>) =>
  Object.entries(of).flatMap(([key, value]) => {
    if (value === undefined) return [];
    return [{ key, value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value } }];
  });
