import { once } from 'node:events';
import {
  type AddressInfo,
  connect,
  createServer,
  type NetConnectOpts,
  type Server,
  type Socket,
} from 'node:net';
import type { TestContext } from 'node:test';

/** A way to a server that a test can break. */
export interface TcpProxy {
  readonly port: number;
  /** Breaks all connections and refuses new ones, until the function that it resolves to is called. */
  cut(): Promise<() => Promise<void>>;
}

/** Listens on a free port of 127.0.0.1 and passes every connection on to `target`, a port or a Unix socket. */
export async function startTcpProxy(t: TestContext, target: NetConnectOpts): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket, peer: Socket) => {
    sockets.add(socket);
    socket.on('error', () => peer.destroy());
    socket.on('close', () => {
      sockets.delete(socket);
      peer.destroy();
    });
  };
  const accept = (client: Socket) => {
    const server = connect(target);
    keep(client, server);
    keep(server, client);
    client.setNoDelay(true).pipe(server.setNoDelay(true)).pipe(client);
  };
  const listen = async (port: number): Promise<Server> => {
    const server = createServer(accept).listen(port, '127.0.0.1');
    await once(server, 'listening');
    return server;
  };
  const stop = async (server: Server) => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };

  let server: Server | undefined = await listen(0);
  const { port } = server.address() as AddressInfo;
  t.after(async () => {
    if (server !== undefined) await stop(server);
  });
  return {
    port,
    async cut() {
      if (server === undefined) throw new Error('the connection is cut already');
      await stop(server);
      server = undefined;
      return async () => {
        server = await listen(port);
      };
    },
  };
}
