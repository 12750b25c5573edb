import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { recordJson } from '../../domain/audit/record.ts';
import { type AuditTarget, type Origin, TargetUnavailable } from './port.ts';
import { type HttpAnswer, type HttpOptions, jsonIn, poster, requireTaken } from './post.ts';

export interface SplunkOptions extends HttpOptions {
  readonly url: URL;
  readonly token: string;
  /** The token's own, where there is none. */
  readonly index: string | undefined;
  /** Whether what was sent counts only when indexers have it. */
  readonly acknowledged: boolean;
  readonly origin: Origin;
}

/** How long indexers may take, of which Splunk says to wait five minutes; and how often they are asked. Milliseconds. */
const indexedWithinMs = 300_000;
const askEveryMs = 1000;

/**
 * Codes of answers with the status 400 that an event is to blame for: no data, data in a wrong form, no event, an empty
 * one, wrong fields. The others are of the token, its index and its channel.
 */
const ofTheEvent: ReadonlySet<unknown> = new Set([5, 6, 12, 13, 15]);

/** Splunk's HTTP Event Collector. */
export function splunkTarget(options: SplunkOptions): AuditTarget {
  const { url, token, index, acknowledged, origin } = options;
  const sender = poster(options);
  const at = (path: string) => new URL(`${url.pathname.replace(/\/$/, '')}${path}`, url);
  const collector = at('/services/collector/event');
  const acks = at('/services/collector/ack');
  const headers = {
    authorization: `Splunk ${token}`,
    'content-type': 'application/json',
    ...(acknowledged && { 'x-splunk-request-channel': randomUUID() }),
  };

  return {
    async send(records, over) {
      const body = records
        .map((record) =>
          JSON.stringify({
            time: record.at.getTime() / 1000,
            host: origin.hostname,
            source: 'shiplog',
            sourcetype: 'shiplog:audit',
            ...(index !== undefined && { index }),
            event: recordJson(record),
          }),
        )
        .join('\n');
      const answer = await sender.post(collector, headers, body, over);
      requireTaken(sender, answer, answer.status === 413 || isOfTheEvent(answer));
      if (acknowledged) await indexed(answer, over);
      return { refused: [] };
    },
    close: () => sender.close(),
  };

  async function indexed(answer: HttpAnswer, over: AbortSignal): Promise<void> {
    const { ackId } = (jsonIn(answer) ?? {}) as { readonly ackId?: number };
    if (ackId === undefined) throw new TargetUnavailable('it gives no ackId: indexer acknowledgement is off');
    const until = performance.now() + indexedWithinMs;
    while (performance.now() < until) {
      const asked = await sender.post(acks, headers, JSON.stringify({ acks: [ackId] }), over);
      // An id is unknown to a Splunk that was started again, and what it stood for is sent again.
      requireTaken(sender, asked, false);
      const { acks: known } = (jsonIn(asked) ?? {}) as { readonly acks?: Record<string, boolean> };
      if (known?.[ackId] === true) return;
      await sleep(askEveryMs, undefined, { signal: over });
    }
    throw new TargetUnavailable(`not indexed within ${indexedWithinMs} ms`);
  }
}

const isOfTheEvent = (answer: HttpAnswer): boolean =>
  answer.status === 400 && ofTheEvent.has((jsonIn(answer) as { readonly code?: unknown } | undefined)?.code);
