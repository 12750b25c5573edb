import type { FastifyInstance, FastifyRequest } from 'fastify';

/**
 * The body as it arrives. Who stops reading in the middle leaves the connection as it is: a stream that is read
 * directly would be destroyed then, and with it the connection that is to carry the answer.
 */
export const bodyStream = ({ raw }: FastifyRequest): AsyncIterable<Uint8Array> => ({
  [Symbol.asyncIterator]: () => raw.iterator({ destroyOnReturn: false }),
});

/** How long a client may go on sending a body that was answered before its end, in milliseconds. */
const lingerMs = 10_000;

/**
 * Reads and drops the rest of a body that was refused early, for a while: a connection that is closed under a client
 * which still sends is reset, and the client never gets to see why.
 */
export function drainRefusedBodies(app: FastifyInstance): void {
  app.addHook('onResponse', async ({ raw }) => {
    if (raw.complete || raw.destroyed) return;
    const timer = setTimeout(() => raw.socket.destroy(), lingerMs).unref();
    raw.once('end', () => clearTimeout(timer));
    raw.resume();
  });
}
