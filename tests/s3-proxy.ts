import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';

/** What becomes of a request: it is passed on, or not; or passed on and its answer lost, or cut off in the middle. */
export type Fate = 'pass' | 'refuse' | 'lose' | 'cut' | { readonly status: number; readonly code: string };

export interface S3Proxy {
  /** `<host>:<port>` */
  readonly endpoint: string;
  /** Decides on each request, which comes as its method and its path. */
  decide: (method: string, path: string) => Fate;
  stop(): Promise<void>;
}

/** A proxy before the S3 server at `endpoint` that lets requests fail. Errors that it makes up are not repeated. */
export async function startProxy(endpoint: string): Promise<S3Proxy> {
  const server = createServer((incoming, answer) => {
    const fate = proxy.decide(incoming.method ?? '', incoming.url ?? '');
    if (fate === 'refuse') fail(incoming, answer, 403, 'AllAccessDisabled');
    else if (typeof fate === 'object') fail(incoming, answer, fate.status, fate.code);
    else pass(incoming, answer, fate);
  });

  function pass(incoming: IncomingMessage, answer: ServerResponse, fate: 'pass' | 'lose' | 'cut'): void {
    const { method, url, headers } = incoming;
    const outgoing = request(`http://${endpoint}${url}`, { method, headers }, (received) => {
      if (fate === 'lose') {
        received.resume();
        fail(incoming, answer, 403, 'AllAccessDisabled');
        return;
      }
      answer.writeHead(received.statusCode ?? 0, received.headers);
      if (fate === 'cut') received.once('data', (chunk) => answer.write(chunk, () => answer.destroy()));
      else received.pipe(answer);
    });
    outgoing.on('error', () => answer.destroy());
    answer.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  }

  function fail(incoming: IncomingMessage, answer: ServerResponse, status: number, code: string): void {
    const reply = () => {
      answer.writeHead(status, { 'content-type': 'application/xml' });
      answer.end(
        incoming.method === 'HEAD' ? undefined : `<Error><Code>${code}</Code><Message>no</Message></Error>`,
      );
    };
    if (incoming.readableEnded) reply();
    else incoming.once('end', reply).resume();
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  const proxy: S3Proxy = {
    endpoint: `127.0.0.1:${address.port}`,
    decide: () => 'pass',
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return proxy;
}
