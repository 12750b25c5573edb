import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { ViewsBehind } from '../../infra/views/port.ts';
import { until } from '../until.ts';
import { assertCounts, counted, counting, fill, run, startSetting } from './views-setting.ts';

test('a wait for what is applied already ends without asking the database', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const runner = await run(setting, { projections: [projection] });
  const position = await fill(setting.log, 10);
  await runner.reached(position, [projection]);

  let queries = 0;
  runner.database.pool.on('acquire', () => queries++);
  for (let n = 0n; n <= position; n++) await runner.reached(n, [projection]);

  assert.equal(queries, 0);
});

test('a wait ends with the rows visible, event by event', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const runner = await run(setting, { projections: [projection] });
  for (let n = 1; n <= 100; n++) {
    const position = await setting.log.append('count/live', 'any', [counted('live')]);
    await runner.reached(position, [projection]);
    const { rows } = await runner.database.pool.query('SELECT events FROM counts_v1.counts');
    assert.deepEqual(rows, [{ events: n }]);
  }
});

test('a wait covers each of the views that it names, and no other', async (t) => {
  const setting = await startSetting(t);
  const [slow, quick] = [counting('slow'), counting('quick')];
  const runner = await run(setting, { projections: [quick], waitMs: 300 });
  const position = await fill(setting.log, 10);

  await runner.reached(position, [quick]);
  await runner.reached(position, []);
  await assert.rejects(runner.reached(position, [quick, slow]), ViewsBehind);
});

test('a wait for what nobody applies ends after the configured time, also while the database is silent', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const database = await setting.connect(3);
  const runner = await run(setting, { projections: [projection], database, waitMs: 400 });
  const head = await fill(setting.log, 10);
  await runner.reached(head, [projection]);

  await assert.rejects(
    runner.reached(head + 1n, [projection]),
    /ViewsBehind.*not yet at position 11: counts_v1/,
  );
  // Every connection of the pool is taken, so that nobody can look; the pool itself would wait for half a minute.
  const taken = [await database.pool.connect(), await database.pool.connect()];
  const waiting = runner.reached(head + 1n, [projection]).catch((error: Error) => error.name);
  assert.equal(await Promise.race([waiting, sleep(15_000, 'still waiting', { ref: false })]), 'ViewsBehind');
  for (const client of taken) client.release();
});

test('a thousand who wait share their looks at the database', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const runner = await run(setting, { projections: [projection], waitMs: 1000 });
  const head = await fill(setting.log, 10);
  await runner.reached(head, [projection]);
  let queries = 0;
  runner.database.pool.on('acquire', () => queries++);

  const waits = Array.from({ length: 1000 }, () => runner.reached(head + 1n, [projection]));
  const results = await Promise.allSettled(waits);

  assert.ok(results.every(({ status }) => status === 'rejected'));
  assert.ok(queries < 100, `${queries} queries`);
});

test('waits end also where the notifications of another process are lost', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const applier = await run(setting, { projections: [projection] });
  await applier.caughtUp();
  const waiting = await run(setting, { projections: [projection] });
  await endListeners(setting.connections.views);

  const position = await fill(setting.log, 10);
  await waiting.reached(position, [projection]);
  await assertCounts(setting, waiting.database, projection);
});

test('a notification that is not ours disturbs nobody', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const runner = await run(setting, { projections: [projection] });
  for (const payload of ['', 'x', 'null', '7', '[]', '{"counts_v1":"x"}', '{"counts_v1":{}}'])
    await runner.database.pool.query("SELECT pg_notify('shiplog_views', $1)", [payload]);

  await runner.reached(await fill(setting.log, 10), [projection]);
  assert.deepEqual(runner.outages, []);
});

test('a runner has caught up when every view is at the head of that moment', async (t) => {
  const setting = await startSetting(t);
  const projections = [counting('a'), counting('b')];
  await fill(setting.log, 2000);
  const runner = await run(setting, { projections });

  await runner.caughtUp();

  for (const projection of projections) await assertCounts(setting, runner.database, projection);
  assert.deepEqual(
    (await runner.status()).map(({ name, version, position, applied }) => [name, version, position, applied]),
    [
      ['a', 1, 2000n, 1800n],
      ['b', 1, 2000n, 1800n],
    ],
  );
});

/** Ends the connections that listen, as a firewall would. */
async function endListeners(connection: pg.ClientConfig): Promise<void> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    await until('a listener is ended', async () => {
      const { rowCount } = await client.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND query ILIKE 'listen %' AND pid <> pg_backend_pid()`,
      );
      return (rowCount ?? 0) > 0;
    });
  } finally {
    await client.end();
  }
}
