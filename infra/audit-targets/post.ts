import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { messageOf } from '../outbound/message-of.ts';
import { BatchRefused, type TargetTls, TargetUnavailable } from './port.ts';

const compress = promisify(gzip);

/** More of an answer is not read; one to thousands of records in bulk has some 100 bytes of each. */
const maxAnswerBytes = 16 * 1024 * 1024;
/** However long a target asks to be left alone, in milliseconds. */
const longestRetryAfterMs = 3_600_000;

export interface HttpOptions {
  readonly tls: TargetTls;
  /** For one request and its answer. */
  readonly timeoutMs: number;
  /** Whether bodies are compressed. */
  readonly gzip: boolean;
  /** What must not show in a message. */
  readonly secrets: readonly string[];
}

export interface HttpAnswer {
  readonly status: number;
  readonly retryAfterMs: number;
  readonly text: string;
}

export interface Poster {
  /** Follows no redirection. @throws TargetUnavailable where there is no answer in time */
  post(
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: string,
    over: AbortSignal,
  ): Promise<HttpAnswer>;
  /** What an answer says, fit for a message. */
  words(answer: HttpAnswer): string;
  close(): void;
}

/** Sends requests over one connection that is kept open. */
export function poster({
  tls: { verify, ...pem },
  timeoutMs,
  gzip: isCompressed,
  secrets,
}: HttpOptions): Poster {
  const kept = { keepAlive: true, maxSockets: 1 };
  const plain = new HttpAgent(kept);
  const encrypted = new HttpsAgent({ ...kept, ...pem, rejectUnauthorized: verify });

  return {
    async post(url, headers, body, over) {
      const isEncrypted = url.protocol === 'https:';
      const bytes = isCompressed ? await compress(body) : Buffer.from(body);
      const late = AbortSignal.timeout(timeoutMs);
      const request = (isEncrypted ? httpsRequest : httpRequest)(url, {
        method: 'POST',
        agent: isEncrypted ? encrypted : plain,
        headers: {
          ...headers,
          ...(isCompressed && { 'content-encoding': 'gzip' }),
          'content-length': bytes.length,
          'user-agent': 'shiplog',
        },
        signal: AbortSignal.any([late, over]),
      });
      try {
        const { promise: answered, resolve, reject } = Promise.withResolvers<IncomingMessage>();
        request.once('response', resolve).on('error', reject).end(bytes);
        const answer = await answered;
        return {
          status: answer.statusCode ?? 0,
          retryAfterMs: retryAfterIn(answer.headers['retry-after']),
          text: await textOf(answer),
        };
      } catch (error) {
        request.destroy();
        if (over.aborted) throw error;
        const message = late.aborted ? `no answer within ${timeoutMs} ms` : messageOf(error);
        throw new TargetUnavailable(message, { cause: error });
      }
    },
    words: ({ status, text }) => fitForMessage(`${status} ${text}`, secrets),
    close() {
      plain.destroy();
      encrypted.destroy();
    },
  };
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) throw new Error(`an answer of more than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** RFC 9110, section 10.2.3: seconds, or a date. */
function retryAfterIn(header: string | undefined): number {
  if (header === undefined) return 0;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), longestRetryAfterMs);
}

/** Short, on one line, and without secrets. */
export const fitForMessage = (text: string, secrets: readonly string[] = []): string =>
  secrets
    .filter((secret) => secret !== '')
    .reduce((shown, secret) => shown.replaceAll(secret, '[secret]'), text.slice(0, 10_000))
    .toWellFormed()
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, 300);

/** What is wrong with the records themselves; all else may be better the next time, or when it is configured otherwise. */
const ofTheRecords: ReadonlySet<number> = new Set([400, 413, 422]);

/** @throws BatchRefused or TargetUnavailable for an answer that is not 2xx */
export function requireTaken(
  { words }: Pick<Poster, 'words'>,
  answer: HttpAnswer,
  isRefusal = ofTheRecords.has(answer.status),
): void {
  if (answer.status >= 200 && answer.status < 300) return;
  if (isRefusal) throw new BatchRefused(words(answer));
  throw new TargetUnavailable(words(answer), { retryAfterMs: answer.retryAfterMs });
}

/** What a target has answered in JSON; undefined for anything else. */
export function jsonIn({ text }: HttpAnswer): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
