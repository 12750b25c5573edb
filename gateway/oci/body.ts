import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RequestRefused } from '../errors.ts';

/** How slow a client may be with a body. Only the time that is spent waiting for the client counts. */
export interface BodyPatience {
  /** The time after which the rate is judged, again and again. */
  readonly windowMs: number;
  readonly minBytesPerSecond: number;
}

declare module 'fastify' {
  interface FastifyInstance {
    bodyPatience: BodyPatience;
  }
}

/**
 * The body as it arrives. Who stops reading in the middle leaves the connection as it is: a stream that is read
 * directly would be destroyed then, and with it the connection that is to carry the answer.
 * @throws RequestRefused 408, while it is read, when the client is too slow.
 */
export const bodyStream = ({ raw, server }: FastifyRequest): AsyncIterable<Uint8Array> => ({
  [Symbol.asyncIterator]: () => readBody(raw, server.bodyPatience),
});

/**
 * The whole body.
 * @throws RequestRefused 408 as `bodyStream` does. @throws `tooLarge` as soon as it is certain that it has more than
 * `maxBytes`.
 */
export async function readBytes(
  request: FastifyRequest,
  maxBytes: number,
  tooLarge: () => RequestRefused,
): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bodyStream(request)) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Like Node's own iterator of a stream, but for the watch over the time. */
async function* readBody(
  raw: IncomingMessage,
  { windowMs, minBytesPerSecond }: BodyPatience,
): AsyncGenerator<Uint8Array, void> {
  let wake: (() => void) | undefined;
  let end: { readonly error: Error | null | undefined } | undefined;
  const onReadable = () => wake?.();
  raw.on('readable', onReadable);
  const unwatch = finished(raw, { writable: false }, (error) => {
    end = { error };
    wake?.();
  });

  let stalled = false;
  let received = 0;
  let waitedMs = 0;
  let judgedAt = performance.now();
  let waitingSince: number | undefined;
  const timer = setInterval(() => {
    const now = performance.now();
    if (waitingSince !== undefined) {
      waitedMs += now - waitingSince;
      waitingSince = now;
    }
    // A late timer means that this process was held up, and what has come meanwhile was not seen yet.
    const late = now - judgedAt > windowMs * 1.5;
    stalled = !late && waitedMs > windowMs / 2 && received < (minBytesPerSecond * waitedMs) / 1000;
    [received, waitedMs, judgedAt] = [0, 0, now];
    if (stalled) wake?.();
  }, windowMs);

  try {
    for (;;) {
      const chunk: Uint8Array | null = raw.destroyed ? null : raw.read();
      if (chunk !== null) {
        received += chunk.length;
        yield chunk;
        continue;
      }
      if (end?.error) throw end.error;
      if (end !== undefined) return;
      if (stalled) throw tooSlow();
      waitingSince = performance.now();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      waitedMs += performance.now() - waitingSince;
      [wake, waitingSince] = [undefined, undefined];
    }
  } finally {
    clearInterval(timer);
    raw.off('readable', onReadable);
    unwatch();
  }
}

const tooSlow = () =>
  new RequestRefused({
    status: 408,
    code: 'BAD_REQUEST',
    message: 'the body came too slowly',
    // The rest of the body may still come, and would be taken for the next request.
    headers: { connection: 'close' },
  });

/** How long a client may go on sending a body that was answered before its end, in milliseconds. */
const lingerMs = 10_000;

/**
 * Reads and drops the rest of a body that was refused early, for a while: a connection that is closed under a client
 * which still sends is reset, and the client never gets to see why.
 */
export function drainRefusedBodies(app: FastifyInstance): void {
  app.addHook('onResponse', ({ raw }, _reply, done) => {
    done();
    if (raw.complete || raw.destroyed) return;
    const timer = setTimeout(() => raw.socket.destroy(), lingerMs).unref();
    raw.once('end', () => clearTimeout(timer));
    raw.resume();
  });
}
