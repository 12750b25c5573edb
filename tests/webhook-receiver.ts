import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Scope } from './server.ts';

/** A request as a receiver has got it. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly at: number;
}

/** How a receiver answers: a status, with headers if need be; `hang` for never, `drop` for a connection that ends. */
export type Reply =
  | number
  | 'hang'
  | 'drop'
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string };

export interface HttpReceiver {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** All that came, in order. */
  readonly received: readonly Received[];
  /** Those of one path. */
  at(path: string): readonly Received[];
  /** Decides on every request from now on. */
  reply(how: (request: Received, before: number) => Reply): void;
}

/** Listens on this machine until the end of the test, or of the file; answers 200 until it is told otherwise. */
export async function startReceiver(t: Scope): Promise<HttpReceiver> {
  const received: Received[] = [];
  let how: (request: Received, before: number) => Reply = () => 200;
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { url: path = '', headers } = request;
    const got = { path, headers, body: Buffer.concat(parts).toString(), at: Date.now() };
    const before = received.filter((other) => other.path === path).length;
    received.push(got);
    const reply = how(got, before);
    if (reply === 'hang') return;
    if (reply === 'drop') return void request.socket.destroy();
    const { status, headers: more = {}, body = '' } = typeof reply === 'number' ? { status: reply } : reply;
    response.writeHead(status, more).end(body);
  });
  server.on('clientError', (_, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    at: (path) => received.filter((request) => request.path === path),
    reply(next) {
      how = next;
    },
  };
}
