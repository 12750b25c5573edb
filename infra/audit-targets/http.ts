import { createHash } from 'node:crypto';
import { recordJson } from '../../domain/audit/record.ts';
import { webhookHeaders } from '../webhook-sender/signature.ts';
import type { AuditTarget } from './port.ts';
import { type HttpOptions, poster, requireTaken } from './post.ts';

export interface HttpTargetOptions extends HttpOptions {
  readonly url: URL;
  /** The value of `Authorization`. */
  readonly authorization: string | undefined;
  readonly signingSecret: string | undefined;
  /** One object a line, or one array. */
  readonly format: 'ndjson' | 'json';
}

/**
 * Any receiver of JSON over HTTP. `idempotency-key` is the same for the same records; with a secret each request is signed
 * as Standard Webhooks says.
 */
export function httpTarget(options: HttpTargetOptions): AuditTarget {
  const { url, authorization, signingSecret, format } = options;
  const sender = poster(options);
  return {
    async send(records, over) {
      const shown = records.map(recordJson);
      const body =
        format === 'json' ? JSON.stringify(shown) : shown.map((one) => `${JSON.stringify(one)}\n`).join('');
      const key = createHash('sha256')
        .update(records.map(({ eventId }) => eventId).join())
        .digest('hex');
      const headers = {
        'content-type': format === 'json' ? 'application/json' : 'application/x-ndjson',
        'idempotency-key': key,
        ...(authorization !== undefined && { authorization }),
        // Of the body as it is before it is compressed.
        ...(signingSecret !== undefined && webhookHeaders(key, new Date(), body, [signingSecret])),
      };
      requireTaken(sender, await sender.post(url, headers, body, over));
      return { refused: [] };
    },
    close: () => sender.close(),
  };
}
