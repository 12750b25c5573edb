import { Agent, type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Registry } from './registries.ts';

export interface Answer {
  readonly headers: IncomingMessage['headers'];
  /** Of the body. */
  readonly bytes: number;
}

export interface HttpClient {
  /** Resolves when the whole answer has come. @throws WrongStatus unless its status is `status`. */
  send(method: string, path: string, status: number, options?: SendOptions): Promise<Answer>;
  close(): void;
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** An iterable is sent chunked unless `headers` tell its length. */
  readonly body?: Uint8Array | Iterable<Uint8Array>;
}

/** An answer with another status than the one that was expected. */
export class WrongStatus extends Error {
  readonly status: number | undefined;
  constructor(request: string, expected: number, status: number | undefined) {
    super(`${request}: ${status}, not ${expected}`);
    this.status = status;
  }
}

/** A client that keeps its connections, and takes less of the processor than `fetch`, which the server shares. */
export function connect(
  { port, headers: always }: Pick<Registry, 'port' | 'headers'>,
  maxSockets = 64,
): HttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets });

  async function send(method: string, path: string, status: number, { headers, body }: SendOptions = {}) {
    const length = body instanceof Uint8Array ? { 'content-length': String(body.length) } : {};
    const sent = request({
      ...{ agent, host: '127.0.0.1', port, method, path },
      headers: { ...always, ...length, ...headers },
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      sent.once('response', resolve).once('error', reject);
    });
    if (body === undefined || body instanceof Uint8Array) sent.end(body);
    else await Promise.race([pipeline(Readable.from(body, { objectMode: false }), sent), answered]);
    const answer = await answered;
    let bytes = 0;
    for await (const chunk of answer) bytes += chunk.length;
    if (answer.statusCode !== status) throw new WrongStatus(`${method} ${path}`, status, answer.statusCode);
    return { headers: answer.headers, bytes };
  }

  return { send, close: () => agent.destroy() };
}

/** The path and query of an upload's `Location`, which may be a whole URL, with `digest` added to it. */
export function locationOf({ headers: { location } }: Answer, digest?: string): string {
  if (location === undefined) throw new Error('the answer has no Location');
  const url = new URL(location, 'http://localhost');
  if (digest !== undefined) url.searchParams.set('digest', digest);
  return url.pathname + url.search;
}
