import { setTimeout as sleep } from 'node:timers/promises';
import { endWhenHeldUp, onOwnSession, probe } from '../views/session.ts';
import type { Database } from './connect.ts';

/** How often it is made sure that the locks are still held, in milliseconds. */
const probeMs = 5000;

/** Locks by name that all processes on a database share; those of a process that dies are free. */
export interface NamedLocks {
  /** False where another process has it. Not to be taken twice. */
  take(name: string): Promise<boolean>;
  release(name: string): Promise<void>;
}

/**
 * Runs `work` with locks that end with it. `lost` is aborted when others may have them, since this process was held up or the
 * database is away.
 */
export const withNamedLocks = <Result>(
  database: Database,
  work: (locks: NamedLocks, lost: AbortSignal) => Promise<Result>,
): Promise<Result> =>
  onOwnSession(database, async (client) => {
    await endWhenHeldUp(client);
    const key = "hashtextextended('shiplog.work.' || $1, 0)";
    const lost = new AbortController();
    const ended = new AbortController();
    let last: Promise<unknown> = Promise.resolve();
    const watching = watch();
    const locks: NamedLocks = {
      async take(name) {
        const { rows } = await inTurn(() =>
          client.query(`SELECT pg_try_advisory_lock(${key}) AS locked`, [name]),
        );
        return rows[0].locked;
      },
      async release(name) {
        await inTurn(() => client.query(`SELECT pg_advisory_unlock(${key})`, [name]));
      },
    };
    try {
      return await work(locks, lost.signal);
    } finally {
      ended.abort();
      await watching;
    }

    /** A connection answers one question at a time. */
    function inTurn<Answer>(question: () => Promise<Answer>): Promise<Answer> {
      const answer = last.then(question, question);
      last = answer.catch(() => undefined);
      return answer;
    }

    async function watch(): Promise<void> {
      try {
        while (!ended.signal.aborted) {
          await inTurn(() => probe(client));
          await sleep(probeMs, undefined, { signal: ended.signal }).catch(() => undefined);
        }
      } catch (error) {
        lost.abort(error);
      }
    }
  });
