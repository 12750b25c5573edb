import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../../infra/database/connect.ts';
import { schemaOf } from '../../infra/database/projection.ts';
import { readStatus } from '../../infra/views/checkpoints.ts';
import { until } from '../until.ts';
import { startScript } from './script.ts';
import { assertCounts, counted, counting, fill, run, type Setting, startSetting } from './views-setting.ts';

const patient = 60_000;

function startProcess(t: TestContext, { connections }: Setting, names: readonly string[], waitMs = 30_000) {
  return startScript(t, 'run-views.ts', [JSON.stringify({ connections, names, waitMs })]);
}

const positionOf = async (database: Database, name: string): Promise<bigint> =>
  (await readStatus(database.pool, [counting(name)]))[0]?.position ?? 0n;

test('every event takes effect exactly once, however often the applier is killed and replaced', async (t) => {
  const setting = await startSetting(t);
  const database = await setting.connect(2);
  const projection = counting('counts');
  const appending = new AbortController();
  const appended = (async () => {
    while (!appending.signal.aborted) {
      await fill(setting.log, randomInt(1, 300));
      await sleep(randomInt(20));
    }
  })();

  const [first, second] = ['counts', 'counts'].map(() => startProcess(t, setting, ['counts']));
  assert.equal(await first?.line(), 'running');
  let appliers = [first, second];
  for (let kills = 0; kills < 6; kills++) {
    const before = await positionOf(database, 'counts').catch(() => 0n);
    await until(
      'events are applied',
      async () => (await positionOf(database, 'counts').catch(() => 0n)) > before,
      patient,
    );
    // Not a wait, but the moment at which it dies.
    await sleep(randomInt(60));
    const [oldest, ...others] = appliers;
    await oldest?.kill();
    appliers = [...others, startProcess(t, setting, ['counts'])];
  }
  appending.abort();
  await appended;

  const head = await setting.log.head();
  await until('all is applied', async () => (await positionOf(database, 'counts')) === head, patient);
  await assertCounts(setting, database, projection);
});

test('of two processes one applies a projection, and both know how far it is', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const other = startProcess(t, setting, ['counts']);
  assert.equal(await other.line(), 'running');
  const ours = await run(setting, { projections: [projection] });

  for (let n = 0; n < 20; n++) {
    const position = await fill(setting.log, 3);
    other.process.stdin?.write(`${position}\n`);
    await ours.reached(position, [projection]);
    assert.equal(await other.line(), `reached ${position}`);
  }

  await assertCounts(setting, ours.database, projection);
  assert.deepEqual(await holders(ours.database, projection.name), 1);
  assert.deepEqual([ours.stops, ours.outages], [[], []]);
});

/** A process that applies, and has applied ten events, beside a runner of this process that waits its turn. */
async function startBesideApplier(t: TestContext) {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const other = startProcess(t, setting, ['counts']);
  assert.equal(await other.line(), 'running');
  other.process.stdin?.write(`${await fill(setting.log, 10)}\n`);
  await other.line();
  const ours = await run(setting, { projections: [projection] });
  return { setting, projection, other, ours };
}

test('a runner takes over within seconds when the process that applied is killed', async (t) => {
  const { setting, projection, other, ours } = await startBesideApplier(t);
  await ours.reached(await fill(setting.log, 10), [projection]);

  await other.kill();

  await ours.reached(await fill(setting.log, 10), [projection]);
  await assertCounts(setting, ours.database, projection);
});

test('a runner takes over from a process that is held up, which then applies nothing twice', async (t) => {
  const { setting, projection, other, ours } = await startBesideApplier(t);

  other.process.kill('SIGSTOP');
  t.after(() => other.process.kill('SIGCONT'));
  const position = await fill(setting.log, 10);
  await until(
    'the views are taken over',
    () =>
      ours.reached(position, [projection]).then(
        () => true,
        () => false,
      ),
    patient,
  );
  other.process.kill('SIGCONT');

  const head = await fill(setting.log, 10);
  other.process.stdin?.write(`${head}\n`);
  assert.equal(await other.line(), `reached ${head}`);
  await ours.reached(head, [projection]);
  await assertCounts(setting, ours.database, projection);
});

test('runners share the projections, and each applies what another one lets go', async (t) => {
  const setting = await startSetting(t);
  const projections = ['a', 'b', 'c'].map((name) => counting(name));
  const first = await run(setting, { projections });
  const second = await run(setting, { projections });
  const third = await run(setting, { projections });
  const head = await fill(setting.log, 1000);
  for (const runner of [first, second, third]) await runner.reached(head, projections);

  await first.close();
  await second.close();

  await third.reached(await fill(setting.log, 1000), projections);
  for (const projection of projections) {
    await assertCounts(setting, third.database, projection);
    assert.equal(await holders(third.database, projection.name), 1);
  }
});

test('an old version serves while another runner builds the new one, and both are right', async (t) => {
  const setting = await startSetting(t);
  const [old, renewed] = [counting('counts'), counting('counts', { version: 2, factor: 10 })];
  await fill(setting.log, 5000);
  const oldRunner = await run(setting, { projections: [old] });
  await oldRunner.caughtUp();

  const newRunner = await run(setting, { projections: [renewed] });
  const during = await setting.log.append('count/during', 'any', [counted('during')]);
  await oldRunner.reached(during, [old]);
  await newRunner.caughtUp();
  const after = await setting.log.append('count/after', 'any', [counted('after')]);
  await oldRunner.reached(after, [old]);
  await newRunner.reached(after, [renewed]);

  await assertCounts(setting, oldRunner.database, old);
  await assertCounts(setting, newRunner.database, renewed, 10);
});

test('a closed runner leaves no session behind, and nothing that keeps its process alive', async (t) => {
  const setting = await startSetting(t);
  const closing = startProcess(t, setting, ['counts']);
  const exited = once(closing.process, 'exit');
  assert.equal(await closing.line(), 'running');
  const head = await fill(setting.log, 100);
  closing.process.stdin?.write(`${head}\n`);
  assert.equal(await closing.line(), `reached ${head}`);

  closing.process.stdin?.end();

  assert.equal(await closing.line(), 'closed');
  assert.deepEqual(await exited, [0, null]);
  const witness = await setting.connect(1);
  await until('its sessions are gone', async () => {
    const { rows } = await witness.pool.query(
      `SELECT count(*)::int AS others FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`,
    );
    return rows[0].others === 0;
  });
});

/** How many sessions hold the lock of the projection. */
async function holders(database: Database, name: string): Promise<number> {
  const { rows } = await database.pool.query(
    `SELECT count(*)::int AS sessions FROM pg_locks
     WHERE locktype = 'advisory' AND granted
       AND (classid::bigint << 32 | objid::bigint) = hashtextextended('shiplog.view.' || $1, 0)`,
    [schemaOf(counting(name))],
  );
  return rows[0].sessions;
}
