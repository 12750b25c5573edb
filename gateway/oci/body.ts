import type { FastifyRequest } from 'fastify';

/**
 * The bytes of the request as they arrive. Who stops reading midway leaves the connection alone, so that the client
 * can still be told why: by itself an abandoned stream is destroyed, and the connection with it.
 */
export const bodyOf = ({ raw }: FastifyRequest): AsyncIterable<Buffer> =>
  raw.iterator({ destroyOnReturn: false });
