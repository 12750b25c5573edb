import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal } from '../../domain/refusal.ts';
import { connectDatabase, type Database } from '../../infra/database/connect.ts';
import { LogUnavailable } from '../../infra/event-log/port.ts';
import { succeedHolder } from '../../infra/quota-claims/holder.ts';
import { quotaLedger } from '../../infra/quota-claims/ledger.ts';
import { type QuotaClaims, type QuotaLedger, RoomClaimed } from '../../infra/quota-claims/port.ts';
import { postgresClaims } from '../../infra/quota-claims/postgres.ts';
import { startPostgres } from '../postgres.ts';
import { until } from '../until.ts';

const project = 'team';
const projectId = 7;

/** A project of which the tables of a view say what it holds, and processes that push into it. */
async function startProject(t: TestContext, limit: number) {
  const { connection } = await startPostgres(t);
  const database = await connectDatabase({ connection: connection(), poolSize: 8, waitMs: 30_000 });
  const ledgers: QuotaLedger[] = [];
  t.after(async () => {
    for (const ledger of ledgers) await ledger.close();
    await database.close();
  });
  const { pool } = database;
  await pool.query(`CREATE SCHEMA seen;
    CREATE TABLE seen.shares (project text, kind text COLLATE "C", digest text COLLATE "C", size bigint,
      PRIMARY KEY (project, kind, digest));
    CREATE VIEW seen.usages AS SELECT project, sum(size)::bigint AS bytes FROM seen.shares GROUP BY project`);
  const current = { limit };
  return {
    current,
    database,
    pool,
    used: () => usedIn(database),
    process(lifeMs?: number) {
      const opened = openProcess(database, current, lifeMs);
      ledgers.push(opened.ledger);
      return opened;
    },
    claimed: async () => {
      const { rows } = await pool.query(
        'SELECT coalesce(sum(bytes), 0)::bigint AS bytes FROM quota_claims.claims',
      );
      return Number(rows[0].bytes);
    },
  };
}

async function usedIn({ pool }: Database): Promise<number> {
  const { rows } = await pool.query('SELECT coalesce(sum(size), 0)::bigint AS bytes FROM seen.shares');
  return Number(rows[0].bytes);
}

function openProcess(database: Database, current: { limit: number }, lifeMs?: number) {
  const { pool } = database;
  const claims = postgresClaims(database, {
    holder: randomUUID(),
    ...{ usages: 'seen.usages', shares: 'seen.shares' },
    ...(lifeMs !== undefined && { lifeMs }),
  });
  const asked = { claim: 0, keep: 0, held: 0 };
  const counted: QuotaClaims = {
    ...claims,
    claim: (what) => {
      asked.claim += 1;
      return claims.claim(what);
    },
    keep: (...what) => {
      asked.keep += 1;
      return claims.keep(...what);
    },
    held: (...what) => {
      asked.held += 1;
      return claims.held(...what);
    },
  };
  const ledger = quotaLedger({
    claims: counted,
    limitOf: async () => ({ projectId, bytes: current.limit }),
    shown: async () => undefined,
    onError: (error) => {
      throw error;
    },
  });

  /** As a push does: the view shows it some time after it is recorded. */
  const push = (digest: string, size: number, work: () => Promise<void> = () => sleep(Math.random() * 20)) =>
    ledger.within(
      { project, kind: 'blob', digest, size },
      async () => {
        await work();
        await pool.query('INSERT INTO seen.shares VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING', [
          ...[project, 'blob', digest, size],
        ]);
        return 1n;
      },
      (position) => position,
    );
  return { push, ledger, asked };
}

const outcomes = async (pushes: readonly Promise<unknown>[]) => {
  const settled = await Promise.allSettled(pushes);
  for (const each of settled)
    if (each.status === 'rejected' && !(each.reason instanceof Refusal || each.reason instanceof RoomClaimed))
      throw each.reason;
  return settled.filter(({ status }) => status === 'fulfilled').length;
};

test('a thousand pushes where there is room ask a handful of questions, and none for each', async (t) => {
  const { process, used } = await startProject(t, 1e9);
  const { push, asked } = process();
  assert.equal(await outcomes(Array.from({ length: 1000 }, (_, n) => push(`one ${n}`, 1000))), 1000);
  for (let n = 0; n < 100; n += 1) await push(`after ${n}`, 1000);
  assert.equal(await used(), 1_100_000);
  assert.ok(asked.claim + asked.held <= 5, JSON.stringify(asked));
});

test('processes that meet at a limit fill it, whatever the sizes, and never pass it', async (t) => {
  const limit = 100_000;
  const { process, used } = await startProject(t, limit);
  const processes = [process(), process(), process()];
  const pushes = Array.from({ length: 1000 }, (_, n) =>
    (processes[n % 3] as (typeof processes)[0]).push(`met ${n}`, 100 + (n % 13) * 50),
  );
  let highest = 0;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      highest = Math.max(highest, await used());
      await sleep(5);
    }
  })();
  await outcomes(pushes);
  isOver = true;
  await watching;
  const final = await used();
  assert.ok(Math.max(highest, final) <= limit, `${highest} ${final}`);
  // Whatever still fits would have been taken in.
  assert.ok(final > limit - 100, `${final}`);
  t.diagnostic(JSON.stringify(processes.map(({ asked }) => asked)));
});

test('the same content is counted once, and what the project holds needs no room', async (t) => {
  const { process, used } = await startProject(t, 100);
  const [one, other] = [process(), process()];
  const same = Array.from({ length: 50 }, (_, n) => (n % 2 === 0 ? one : other).push('same', 100));
  assert.equal(await outcomes(same), 50);
  assert.equal(await outcomes([one.push('same', 100), other.push('same', 100)]), 2);
  await assert.rejects(one.push('more', 1), {
    reason: { kind: 'quota-exceeded', adding: 1, used: 100, limit: 100 },
  });
  assert.equal(await used(), 100);
});

test('a push that records nothing leaves no claim behind', async (t) => {
  const { process, claimed } = await startProject(t, 1000);
  const { push } = process();
  for (let n = 0; n < 5; n += 1)
    await assert.rejects(
      push(`failed ${n}`, 900, () => Promise.reject(new Error('of a test'))),
      /of a test/,
    );
  await push('in the end', 900);
  await until('nothing is claimed', async () => (await claimed()) === 0);
});

test('what the log may have taken or not is kept for a while, and room for others is not given away', async (t) => {
  const { process } = await startProject(t, 1000);
  const [one, other] = [process(), process()];
  await assert.rejects(
    one.push('in doubt', 900, () => Promise.reject(new LogUnavailable('of a test'))),
    LogUnavailable,
  );
  // It may fit later: who is told so comes again.
  await assert.rejects(other.push('large', 200), RoomClaimed);
  assert.equal(await outcomes([other.push('small', 100)]), 1);
});

test('a claim of a process that was killed ends by itself', async (t) => {
  const { process, pool, claimed } = await startProject(t, 1000);
  await process().push('the table is there', 1);
  await pool.query(
    `INSERT INTO quota_claims.claims VALUES ($1, gen_random_uuid(), 999, false, clock_timestamp() + interval '2 s')`,
    [projectId],
  );
  const { push } = process();
  const startedAt = performance.now();
  await push('after it', 500);
  assert.ok(performance.now() - startedAt < 5000);
  await until('nothing is claimed', async () => (await claimed()) === 0);
});

test('a lower limit counts at once, also for what was claimed under a higher one', async (t) => {
  const { process, current, used } = await startProject(t, 1e9);
  const { push } = process();
  await push('first', 1000);
  current.limit = 1500;
  await assert.rejects(push('second', 501), Refusal);
  await push('third', 500);
  assert.equal(await used(), 1500);
  current.limit = 10;
  await assert.rejects(push('fourth', 1), Refusal);
});

test('where the claims cannot be asked nothing passes', async (t) => {
  const { process, pool } = await startProject(t, 1e9);
  await pool.query('DROP VIEW seen.usages');
  const { push } = process();
  await assert.rejects(push('any', 1), /usages/);
});

test('what is small does not pay for what is not, though both say that they have the same digest', async (t) => {
  const { process, used } = await startProject(t, 1000);
  const { push } = process();
  const waiting = Promise.withResolvers<void>();
  const fake = push('same', 1, async () => {
    await waiting.promise;
    throw new Error('the bytes have another digest');
  });
  await assert.rejects(push('same', 10_000), Refusal);
  await push('same', 900);
  waiting.resolve();
  await assert.rejects(fake, /another digest/);
  assert.equal(await used(), 900);
});

test('what the project lets go of while it is pushed again keeps its room', async (t) => {
  const { process, pool, used } = await startProject(t, 1000);
  const [one, other] = [process(), process()];
  await one.push('held', 900);
  const pushed = one.push('held', 900, async () => {
    await pool.query(`DELETE FROM seen.shares WHERE digest = 'held'`);
    await assert.rejects(other.push('instead', 900), RoomClaimed);
  });
  await pushed;
  assert.equal(await used(), 900);
});

test('a claim that has ended under a push is not kept, and what has taken its room stays within the limit', async (t) => {
  const { process, pool, used } = await startProject(t, 1000);
  const [one, other] = [process(1500), process()];
  const push = one.push('held up', 800, async () => {
    // As if this process had been stopped, or the database away, for longer than the claim lives.
    await pool.query('DELETE FROM quota_claims.claims');
    await other.push('meanwhile', 700);
    await sleep(1200);
    await assert.rejects(one.push('held up', 800), Refusal);
    throw new Error('refused when it asked again');
  });
  await assert.rejects(push, /asked again/);
  assert.equal(await used(), 700);
  await one.push('fits', 300);
  assert.equal(await used(), 1000);
});

test('where others have claimed the room a push is told to come again, and refused only where it does not fit', async (t) => {
  const { process } = await startProject(t, 1000);
  const [one, other] = [process(), process()];
  const done = Promise.withResolvers<void>();
  const began = Promise.withResolvers<void>();
  const first = one.push('under way', 900, () => {
    began.resolve();
    return done.promise;
  });
  await began.promise;
  await assert.rejects(other.push('may fit', 900), RoomClaimed);
  await assert.rejects(other.push('never fits', 1001), Refusal);
  done.resolve();
  await first;
  await assert.rejects(other.push('may fit', 900), Refusal);
});

test('a limit that is lowered while a claim is asked for leaves nothing of what was given under the old one', async (t) => {
  const { process, current, pool, used } = await startProject(t, 1e9);
  const { push } = process();
  await push('first', 100);
  await until('nothing is claimed', async () => {
    const { rows } = await pool.query('SELECT 1 FROM quota_claims.claims');
    return rows.length === 0;
  });
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query(`SELECT pg_advisory_xact_lock(hashtextextended('shiplog.quota-claims', $1))`, [
    projectId,
  ]);
  const asked = push('under the old one', 100);
  await sleep(200);
  current.limit = 500;
  const late = assert.rejects(push('under the new one', 1000), Refusal);
  await sleep(50);
  await client.query('COMMIT');
  client.release();
  await asked;
  await late;
  await assert.rejects(push('much', 600), Refusal);
  assert.equal(await used(), 200);
});

test('what a former process of the same place had claimed is free when the next one starts', async (t) => {
  const { pool, database } = await startProject(t, 1000);
  const claims = (holder: string) =>
    postgresClaims(database, { holder, usages: 'seen.usages', shares: 'seen.shares' });
  const directory = await mkdtemp(join(tmpdir(), 'shiplog-holder-'));
  t.after(() => rm(directory, { recursive: true }));
  const file = join(directory, 'quota-holder');
  const [former, other] = [await succeedHolder(database, file), randomUUID()];
  const asked = { projectId, project, limit: 1000, floor: 0, wanted: 1000, blocked: false };
  await claims(former).claim(asked);
  assert.equal((await claims(other).claim(asked)).claimed, 0);
  const next = await succeedHolder(database, file);
  assert.notEqual(next, former);
  assert.equal((await claims(other).claim(asked)).claimed, 1000);
  // Who drops the database of the views drops the claims too.
  await pool.query('DROP SCHEMA quota_claims CASCADE');
  await succeedHolder(database, file);
  await writeFile(file, 'no name');
  await succeedHolder(database, file);
});
