import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

export interface Listener {
  /** Repeating it is no error. */
  close(): Promise<void>;
}

/** How often a connection that is silent is asked whether it still is one. */
const probeEveryMs = 15_000;

/**
 * Follows `channel` (LISTEN) on a connection of its own and hands over each payload. After a lost connection it
 * connects again by itself, and then calls once with '', since notifications may have been missed.
 * Rejects when the first connection fails.
 */
export async function listenTo(
  config: pg.ClientConfig,
  channel: string,
  onNotification: (payload: string) => void,
): Promise<Listener> {
  const closing = new AbortController();
  const { signal } = closing;

  const connect = async (): Promise<{ client: pg.Client; lost: Promise<void> }> => {
    const client = new pg.Client({ ...config, keepAlive: true });
    const lost = new Promise<void>((resolve) => {
      client.once('error', () => resolve());
      client.once('end', () => resolve());
    });
    // A broken connection may report more than once.
    client.on('error', () => undefined);
    client.on('notification', (message) => {
      if (!signal.aborted) onNotification(message.payload ?? '');
    });
    try {
      await client.connect();
      await client.query(`listen ${pg.escapeIdentifier(channel)}`);
      return { client, lost };
    } catch (error) {
      await end(client);
      throw error;
    }
  };

  let connection = await connect();

  const follow = async (): Promise<void> => {
    while (!signal.aborted) {
      await untilLost(connection, signal);
      await end(connection.client);
      for (let attempt = 0; !signal.aborted; attempt++) {
        try {
          connection = await connect();
          if (!signal.aborted) onNotification('');
          break;
        } catch {
          // Whatever it is, it may pass: the connection worked before.
          await delay(Math.min(5_000, 50 * 2 ** attempt), undefined, { signal }).catch(() => undefined);
        }
      }
    }
    await end(connection.client);
  };

  const followed = follow();
  return {
    async close() {
      closing.abort();
      await followed;
    },
  };
}

/** A server that vanished without a word (a power cut, a firewall) is only noticed by asking. */
async function untilLost(connection: { client: pg.Client; lost: Promise<void> }, signal: AbortSignal) {
  const aborted = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const over = Promise.race([connection.lost, aborted]).then(() => 'over' as const);
  while (!signal.aborted) {
    if ((await Promise.race([over, delay(probeEveryMs, 'probe', { ref: false })])) === 'over') return;
    const answer = connection.client.query('select 1').then(
      () => 'alive' as const,
      () => 'over' as const,
    );
    if ((await Promise.race([over, answer, delay(10_000, 'silent', { ref: false })])) !== 'alive') return;
  }
}

/** `end` says goodbye and waits for the other side, which may be gone. */
async function end(client: pg.Client): Promise<void> {
  const ended = client.end().catch(() => undefined);
  await Promise.race([ended, delay(2_000, undefined, { ref: false })]);
}
