import { randomFillSync } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { v7 } from 'uuid';

const idBytes = 16;
const drawnAtOnce = 256;

/**
 * Names requests: by the client's X-Request-Id, so that its log and ours can be laid side by side, unless it could do
 * harm there, or else by a UUIDv7.
 */
export function requestIds(): (request: Pick<IncomingMessage, 'headers'>) => string {
  // Drawn for many at once: to draw it for each costs more than all the rest of an id.
  const random = new Uint8Array(idBytes * drawnAtOnce);
  let used = random.length;

  function newId(): string {
    if (used === random.length) {
      randomFillSync(random);
      used = 0;
    }
    used += idBytes;
    return v7({ random: random.subarray(used - idBytes, used) });
  }

  return ({ headers }) => {
    const id = headers['x-request-id'];
    return typeof id === 'string' && /^[\x21-\x7e]{1,128}$/.test(id) ? id : newId();
  };
}
