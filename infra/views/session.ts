import { setTimeout as sleep } from 'node:timers/promises';
import type { PoolClient } from 'pg';
import type { Database } from '../database/connect.ts';

/**
 * Runs `work` on a connection that is ended afterwards and never shared, since it may hold session locks. The locks
 * are let go at once where that is possible: PostgreSQL notices the end of a connection only a little later.
 */
export async function onOwnSession<Result>(
  database: Database,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await database.pool.connect();
  try {
    return await work(client);
  } finally {
    const unlocked = client.query('SELECT pg_advisory_unlock_all()').catch(() => undefined);
    await Promise.race([unlocked, sleep(1000, undefined, { ref: false })]);
    client.release(true);
  }
}

/** A process that was stopped holds its locks for this long, mid-transaction or idle, before another takes over. */
const heldUpMs = 15_000;

/** Lets PostgreSQL end this session, and with it its locks, when the process is held up. */
export async function endWhenHeldUp(client: PoolClient): Promise<void> {
  await client.query(
    `SET idle_in_transaction_session_timeout = ${heldUpMs}; SET idle_session_timeout = ${heldUpMs}`,
  );
}

/** How long a connection may leave a trivial query without an answer. */
const silentMs = 10_000;

/** Asks over the connection, which also keeps it from being idle. Rejects where it is lost or nobody answers. */
export async function probe(client: PoolClient): Promise<void> {
  const silence = new AbortController();
  const silent = sleep(silentMs, undefined, { signal: silence.signal }).then(() => {
    throw new Error('Connection terminated: the database is silent');
  });
  const answered = client.query('SELECT 1');
  try {
    await Promise.race([answered, silent]);
  } finally {
    silence.abort();
    silent.catch(() => undefined);
    answered.catch(() => undefined);
  }
}
