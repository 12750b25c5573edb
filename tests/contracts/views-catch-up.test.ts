import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Database } from '../../infra/database/connect.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { until } from '../until.ts';
import { startScript } from './script.ts';
import { assertCounts, type Counted, counted, counting, fill, run, startSetting } from './views-setting.ts';

const patient = 60_000;

/** A projection that does nothing before `gate` has opened. */
function behindGate(projection: Projection<Counted>, gate: Promise<void>): Projection<Counted> {
  return {
    ...projection,
    async apply(tables, events) {
      await gate;
      await projection.apply(tables, events);
    },
  };
}

test('50,000 events are caught up in few transactions', async (t) => {
  const setting = await startSetting(t);
  const head = await fill(setting.log, 50_000, 1000);
  const projection = counting('counts');
  const batches: number[] = [];
  const runner = await run(setting, {
    projections: [projection],
    whileApplying: async (events, apply) => {
      batches.push(events.length);
      await apply();
    },
  });

  await runner.caughtUp();

  await assertCounts(setting, runner.database, projection);
  assert.equal(
    batches.reduce((sum, events) => sum + events, 0),
    Number(head),
  );
  assert.ok(batches.length <= 20, `${batches.length} batches`);
});

test('a new projection far behind catches up beside the others, which stay live, and then joins them', async (t) => {
  const setting = await startSetting(t);
  const old = counting('old');
  await fill(setting.log, 25_000);
  const first = await run(setting, { projections: [old] });
  await first.caughtUp();
  await first.close();

  const gate = Promise.withResolvers<void>();
  const [late, later] = [counting('late'), counting('later')];
  const projections = [old, behindGate(late, gate.promise), behindGate(later, gate.promise)];
  const runner = await run(setting, { projections });
  for (let n = 0; n < 10; n++) await runner.reached(await fill(setting.log, 10), [old]);
  assert.deepEqual(
    (await runner.status()).map(({ name, position }) => [name, position > 0n]),
    [
      ['late', false],
      ['later', false],
      ['old', true],
    ],
  );
  const busy = await sessions(runner.database);
  gate.resolve();
  await runner.caughtUp();

  const head = await fill(setting.log, 100);
  await runner.reached(head, projections);
  for (const projection of [old, late, later]) await assertCounts(setting, runner.database, projection);
  await until(
    'one session is left that applies',
    async () => (await sessions(runner.database)) === 1,
    patient,
  );
  assert.equal(busy, 2);
  assert.deepEqual([runner.stops, runner.outages], [[], []]);
});

test('a projection that catches up and stops there is reported like any other', async (t) => {
  const setting = await startSetting(t);
  const old = counting('old');
  await fill(setting.log, 10_000);
  const at = await setting.log.append('count/poison', 'any', [counted('poison')]);
  await fill(setting.log, 12_000);
  const first = await run(setting, { projections: [old] });
  await first.caughtUp();
  await first.close();

  const late = counting('late', { refuses: 'poison' });
  const runner = await run(setting, { projections: [old, late] });
  await runner.caughtUp();

  assert.deepEqual(
    runner.stops.map(({ event }) => event.position),
    [at],
  );
  await runner.reached(await fill(setting.log, 10), [old]);
  assert.equal(runner.stops.length, 1);
});

test('a runner that is closed while a projection catches up ends at once and loses nothing', async (t) => {
  const setting = await startSetting(t);
  const old = counting('old');
  await fill(setting.log, 30_000);
  const first = await run(setting, { projections: [old] });
  await first.caughtUp();
  await first.close();

  const late = counting('late');
  const runner = await run(setting, { projections: [old, late] });
  await until('it is under way', async () => ((await runner.status())[0]?.position ?? 0n) > 0n, patient);
  await runner.close();

  const again = await run(setting, { projections: [old, late] });
  await again.caughtUp();
  await assertCounts(setting, again.database, late);
});

test('memory is bounded while large events are caught up', async (t) => {
  const setting = await startSetting(t);
  const text = 'x'.repeat(1024 * 1024);
  for (let n = 0; n < 160; n++) await setting.log.append('count/large', 'any', [counted('large', 1, text)]);
  const { connections } = setting;

  // Less than the events have together, and a few times what the log hands over at once.
  const process = startScript(
    t,
    'run-views.ts',
    [JSON.stringify({ connections, names: ['counts'], waitMs: patient })],
    ['env', 'NODE_OPTIONS=--max-old-space-size=100'],
  );
  assert.equal(await process.line(), 'running');
  process.process.stdin?.write('160\n');
  assert.equal(await process.line(), 'reached 160');

  await assertCounts(setting, await setting.connect(1), counting('counts'));
});

/** How many sessions hold the locks of projections. */
async function sessions({ pool }: Database): Promise<number> {
  const { rows } = await pool.query(
    "SELECT count(DISTINCT pid)::int AS sessions FROM pg_locks WHERE locktype = 'advisory' AND granted",
  );
  return rows[0].sessions;
}
