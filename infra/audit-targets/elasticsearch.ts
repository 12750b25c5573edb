import { recordJson } from '../../domain/audit/record.ts';
import { type AuditTarget, TargetUnavailable } from './port.ts';
import { fitForMessage, type HttpOptions, jsonIn, poster, requireTaken } from './post.ts';

export interface ElasticsearchOptions extends HttpOptions {
  readonly url: URL;
  readonly authorization: string | undefined;
  /** An index, or a data stream. */
  readonly index: string;
}

interface Item {
  readonly status?: number;
  readonly error?: { readonly type?: string; readonly reason?: string };
}

/** Answers by which a document is there. */
const taken: ReadonlySet<number | undefined> = new Set([200, 201, 409]);
/** Answers that the document itself is to blame for. */
const ofTheDocument: ReadonlySet<number | undefined> = new Set([400, 413]);

/**
 * Elasticsearch and OpenSearch. A document's id is the event's and it is only ever created, so that a repeat is a conflict,
 * which changes nothing.
 */
export function elasticsearchTarget(options: ElasticsearchOptions): AuditTarget {
  const { url, authorization, index, secrets } = options;
  const sender = poster(options);
  const bulk = new URL(`${url.pathname.replace(/\/$/, '')}/${encodeURIComponent(index)}/_bulk`, url);
  bulk.searchParams.set('filter_path', 'items.*.status,items.*.error.type,items.*.error.reason');
  const headers = {
    'content-type': 'application/x-ndjson',
    ...(authorization !== undefined && { authorization }),
  };
  return {
    async send(records, over) {
      const body = records
        .map((record) => {
          const document = { '@timestamp': record.at.toISOString(), ...recordJson(record) };
          return `{"create":{"_id":${JSON.stringify(record.eventId)}}}\n${JSON.stringify(document)}\n`;
        })
        .join('');
      const answer = await sender.post(bulk, headers, body, over);
      // A request that is wrong as a whole is no document's fault, but one that is too large can be cut.
      requireTaken(sender, answer, answer.status === 413);
      const items = (jsonIn(answer) as { readonly items?: readonly Record<string, Item>[] } | undefined)
        ?.items;
      if (items?.length !== records.length)
        throw new TargetUnavailable(`not the answer of a _bulk: ${sender.words(answer)}`);

      const results = items.map((item) => Object.values(item)[0] ?? {});
      const later = results.find(({ status }) => !taken.has(status) && !ofTheDocument.has(status));
      if (later !== undefined)
        throw new TargetUnavailable(`${later.status} ${reasonOf(later)}`, {
          retryAfterMs: answer.retryAfterMs,
        });
      return {
        refused: records.flatMap((record, nth) => {
          const result = results[nth];
          return result === undefined || taken.has(result.status)
            ? []
            : [{ record, reason: reasonOf(result) }];
        }),
      };
    },
    close: () => sender.close(),
  };

  function reasonOf({ error }: Item): string {
    return fitForMessage(`${error?.type ?? ''}: ${error?.reason ?? ''}`, secrets);
  }
}
