import type { IncomingMessage } from 'node:http';
import { v7 } from 'uuid';

/** The client's X-Request-Id, so that its log and ours can be laid side by side, unless it could do harm there. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const id = headers['x-request-id'];
  return typeof id === 'string' && /^[\x21-\x7e]{1,128}$/.test(id) ? id : v7();
}
