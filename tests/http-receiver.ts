import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { Scope } from './server.ts';

export interface ReceivedRequest {
  readonly method: string;
  /** The path and what follows it. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** As it was before it was compressed. */
  readonly body: string;
}

export interface ReceiverAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What is answered to a request; 'nothing' leaves who sent it waiting. */
export type Answering = (request: ReceivedRequest) => ReceiverAnswer | 'nothing' | Promise<ReceiverAnswer>;

export interface HttpReceiver {
  readonly url: string;
  /** All requests, as they were read to their ends. */
  readonly requests: readonly ReceivedRequest[];
  /** Answers otherwise from now on. */
  answer(answering: Answering): void;
  /** Refuses connections, and breaks those that are open. */
  stop(): Promise<void>;
  /** Listens again on the same port. */
  start(): Promise<void>;
}

/** A server on 127.0.0.1 that remembers what it is sent. */
export async function startHttpReceiver(t: Scope, answering: Answering = () => ({})): Promise<HttpReceiver> {
  const requests: ReceivedRequest[] = [];
  let answer = answering;
  let port = 0;
  let server: Server | undefined;

  async function start(): Promise<void> {
    server = createServer(async (request, response) => {
      try {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk);
        const bytes = Buffer.concat(chunks);
        const { method = '', url = '', headers } = request;
        const isCompressed = headers['content-encoding'] === 'gzip';
        const received = {
          method,
          url,
          headers,
          body: (isCompressed ? gunzipSync(bytes) : bytes).toString(),
        };
        requests.push(received);
        const answered = await answer(received);
        if (answered === 'nothing') return;
        response.writeHead(answered.status ?? 200, answered.headers).end(answered.body ?? '');
      } catch {
        // Who sends has gone.
        response.destroy();
      }
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  }

  async function stop(): Promise<void> {
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    server = undefined;
    await closed;
  }

  t.after(stop);
  await start();
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    answer(answering) {
      answer = answering;
    },
    stop,
    start,
  };
}
