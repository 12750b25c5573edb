import { setTimeout as sleep } from 'node:timers/promises';
import { endWhenHeldUp, onOwnSession, probe } from '../views/session.ts';
import type { Database } from './connect.ts';

/** How often it is made sure that the lock is still held, in milliseconds. */
const probeMs = 5000;

/**
 * Runs `work` while no other process on this database runs any under the same name; undefined where one does. `lost` is
 * aborted when somebody else may begin, since this process was held up or the database is away.
 */
export type Alone = <Result>(work: (lost: AbortSignal) => Promise<Result>) => Promise<Result | undefined>;

export const aloneIn =
  (database: Database, name: string): Alone =>
  (work) =>
    onOwnSession(database, async (client) => {
      const text = "SELECT pg_try_advisory_lock(hashtextextended('shiplog.work.' || $1, 0)) AS locked";
      const { rows } = await client.query(text, [name]);
      if (!rows[0].locked) return undefined;
      await endWhenHeldUp(client);
      const lost = new AbortController();
      const ended = new AbortController();
      const watching = watch();
      try {
        return await work(lost.signal);
      } finally {
        ended.abort();
        await watching;
      }

      async function watch(): Promise<void> {
        try {
          while (!ended.signal.aborted) {
            await probe(client);
            await sleep(probeMs, undefined, { signal: ended.signal }).catch(() => undefined);
          }
        } catch (error) {
          lost.abort(error);
        }
      }
    });
