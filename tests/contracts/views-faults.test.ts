import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { connectDatabase, type Database } from '../../infra/database/connect.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { ViewsBehind } from '../../infra/views/port.ts';
import { replayViews } from '../../infra/views/rebuild.ts';
import { until } from '../until.ts';
import { startScript } from './script.ts';
import {
  assertCounts,
  type Counted,
  counted,
  countedCatalogue,
  counting,
  countsIn,
  countsOf,
  fill,
  run,
  type Setting,
  startSetting,
} from './views-setting.ts';

const patient = 60_000;
const poison = (): ReturnType<typeof counted> => counted('poison');

/** A log with a poison event in the middle, and its position. */
async function poisoned(setting: Setting): Promise<bigint> {
  await fill(setting.log, 700);
  const at = await setting.log.append('count/poison', 'any', [poison()]);
  await fill(setting.log, 700);
  return at;
}

test('a projection stops just before the event that it cannot apply, loudly, and the others go on', async (t) => {
  const setting = await startSetting(t);
  const [broken, sound] = [counting('broken', { refuses: 'poison' }), counting('sound')];
  const at = await poisoned(setting);
  const runner = await run(setting, { projections: [broken, sound] });

  await runner.caughtUp();

  assert.deepEqual(
    runner.stops.map(({ member, event, error }) => [member.projection.name, event.position, String(error)]),
    [['broken', at, 'Error: cannot count poison']],
  );
  const [status, other] = await runner.status();
  assert.deepEqual(
    [status?.position, status?.stoppedAt, status?.lastError],
    [at - 1n, at, 'Error: cannot count poison'],
  );
  assert.deepEqual([other?.position, other?.stoppedAt, other?.lastError], [1401n, null, null]);
  assert.deepEqual(await countsIn(runner.database, broken), await countsOf(setting.log, { last: at - 1n }));
  await runner.reached(await fill(setting.log, 10), [sound]);
  await assertCounts(setting, runner.database, sound);
  assert.equal(runner.stops.length, 1);
});

test('a wait for an event behind the stop fails at once, in every process; one for an event before it does not', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts', { refuses: 'poison' });
  const waitMs = 600_000;
  const applier = await run(setting, { projections: [projection], waitMs });
  const { connections } = setting;
  const other = startScript(t, 'run-views.ts', [JSON.stringify({ connections, names: [], waitMs })]);
  const elsewhere = await run(setting, { projections: [counting('other')], waitMs });
  assert.equal(await other.line(), 'running');

  const waiting = elsewhere.reached(15n, [projection]);
  waiting.catch(() => undefined);
  const first = await fill(setting.log, 10);
  const at = await setting.log.append('count/poison', 'any', [poison()]);
  await fill(setting.log, 10);

  const stopped = { name: 'ViewsBehind', message: /stopped before position .*: counts_v1/ };
  await assert.rejects(applier.reached(at, [projection]), stopped);
  await assert.rejects(waiting, stopped);
  await assert.rejects(elsewhere.reached(at, [projection]), stopped);
  await elsewhere.reached(first, [projection]);
  await applier.reached(first, [projection]);
});

test('a stopped projection goes on, without a restart of the runner, when a repaired one was replayed', async (t) => {
  const setting = await startSetting(t);
  const broken = counting('counts', { refuses: 'poison' });
  const at = await poisoned(setting);
  const runner = await run(setting, { projections: [broken] });
  await runner.caughtUp();
  assert.equal((await runner.status())[0]?.stoppedAt, at);

  const repaired = counting('counts');
  await replay(setting, runner.database, repaired);

  await runner.reached(await fill(setting.log, 100), [repaired]);
  await assertCounts(setting, runner.database, repaired);
  const [status] = await runner.status();
  assert.deepEqual([status?.stoppedAt, status?.lastError], [null, null]);
});

test('a restart tries the event again: in vain while the projection is broken, with success when it is repaired', async (t) => {
  const setting = await startSetting(t);
  const broken = counting('counts', { refuses: 'poison' });
  const at = await poisoned(setting);
  for (let start = 0; start < 2; start++) {
    const runner = await run(setting, { projections: [broken] });
    await runner.caughtUp();
    assert.deepEqual(
      runner.stops.map(({ event }) => event.position),
      [at],
    );
    await runner.close();
  }

  const repaired = counting('counts');
  const runner = await run(setting, { projections: [repaired] });
  await runner.caughtUp();

  await assertCounts(setting, runner.database, repaired);
  assert.equal((await runner.status())[0]?.stoppedAt, null);
});

test('another process with the repaired projection goes on while the one that stopped still runs', async (t) => {
  const setting = await startSetting(t);
  const at = await poisoned(setting);
  const broken = await run(setting, { projections: [counting('counts', { refuses: 'poison' })] });
  await broken.caughtUp();
  assert.equal((await broken.status())[0]?.stoppedAt, at);

  const repaired = counting('counts');
  const runner = await run(setting, { projections: [repaired] });
  await runner.caughtUp();

  await assertCounts(setting, runner.database, repaired);
  await broken.reached(await setting.log.head(), [repaired]);
});

test('an event of an unknown type or from a newer version stops a projection that handles it', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const runner = await run(setting, { projections: [projection] });
  await fill(setting.log, 10);
  const at = await setting.log.append('count/newer', 'any', [{ ...counted('a'), version: 2 }]);

  await until('it stops', () => runner.stops.length > 0, patient);
  assert.equal(runner.stops[0]?.event.position, at);
  assert.match(String(runner.stops[0]?.error), /newer than 1/);
});

test('an error that quotes what PostgreSQL cannot store is recorded all the same', async (t) => {
  const setting = await startSetting(t);
  const projection: Projection<Counted> = {
    ...counting('counts'),
    apply: async () => {
      throw new Error(`NUL \0, half a pair \ud800 and ${'much '.repeat(1000)}`);
    },
  };
  const runner = await run(setting, { projections: [projection] });
  await setting.log.append('count/a', 'any', [counted('a')]);

  await until('it stops', () => runner.stops.length > 0, patient);
  assert.match((await runner.status())[0]?.lastError ?? '', /NUL \uFFFD, half a pair \uFFFD and much/);
});

test('a deadlock, a cancelled statement and a killed connection lose no event, repeat none and stop nothing', async (t) => {
  const setting = await startSetting(t);
  const faults: { at: number; code: string; message: string }[] = [
    { at: 2, code: '40P01', message: 'deadlock detected' },
    { at: 4, code: '40001', message: 'could not serialize access' },
    { at: 6, code: '57014', message: 'canceling statement due to user request' },
    { at: 8, code: '55P03', message: 'lock not available' },
  ];
  let batches = 0;
  const sound = counting('counts');
  const projection: Projection<Counted> = {
    ...sound,
    async apply(tables, events) {
      await sound.apply(tables, events);
      const fault = faults.find(({ at }) => at === batches);
      batches++;
      // After the rows were written, so that they must be taken back.
      if (fault !== undefined) throw Object.assign(new Error(fault.message), { code: fault.code });
    },
  };
  const runner = await run(setting, { projections: [projection] });

  for (let n = 0; n < 20; n++) {
    const position = await fill(setting.log, 50);
    if (n % 4 === 0) await endSessions(setting);
    await runner.reached(position, [projection]);
  }

  await assertCounts(setting, runner.database, sound);
  assert.deepEqual(runner.stops, []);
  assert.ok(runner.outages.length >= faults.length);
});

test('an applier whose lock passes to another session in its sleep applies nothing twice', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const runners = [
    await run(setting, { projections: [projection] }),
    await run(setting, { projections: [projection] }),
  ];
  for (let n = 0; n < 10; n++) {
    await endSessions(setting);
    const head = await fill(setting.log, 100);
    for (const runner of runners) await runner.reached(head, [projection]);
  }
  await assertCounts(setting, runners[0]?.database as Database, projection);
});

test('what fails for ever is tried again with pauses, and leaves the event loop free', async (t) => {
  const setting = await startSetting(t);
  let attempts = 0;
  const projection: Projection<Counted> = {
    ...counting('counts'),
    apply: async () => {
      attempts++;
      throw Object.assign(new Error('deadlock detected'), { code: '40P01' });
    },
  };
  const runner = await run(setting, { projections: [projection], waitMs: 2000 });
  const position = await fill(setting.log, 10);

  await assert.rejects(runner.reached(position, [projection]), ViewsBehind);

  assert.ok(attempts >= 2, 'it is tried again');
  assert.ok(attempts < 50, `${attempts} attempts`);
});

test('a log that was closed under the runner is an outage, and the event loop stays free', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const runner = await run(setting, { projections: [projection] });
  await runner.reached(await fill(setting.log, 10), [projection]);

  await setting.log.close();

  await until('the outage is told', () => runner.outages.length >= 2);
  assert.ok(runner.outages.length < 50);
  await runner.close();
});

test('a projection whose tables cannot be created holds up no other', async (t) => {
  const setting = await startSetting(t);
  const sound = counting('sound');
  const impossible: Projection<Counted> = {
    ...counting('impossible'),
    create: async () => {
      throw new Error('no such type');
    },
  };
  const runner = await run(setting, { projections: [impossible, sound] });

  await runner.reached(await fill(setting.log, 10), [sound]);

  assert.match(String(runner.outages[0]), /no such type/);
  await assertCounts(setting, runner.database, sound);
});

test('a view, or all of them, dropped under a runner are built again, and no wait ends before they are', async (t) => {
  const setting = await startSetting(t);
  const projections = [counting('a'), counting('b')];
  const applier = await run(setting, { projections });
  const other = await run(setting, { projections });
  await fill(setting.log, 3000);
  for (const drop of [
    'DROP SCHEMA a_v1 CASCADE',
    'DROP SCHEMA a_v1, b_v1, views CASCADE',
    'DROP TABLE views.checkpoints',
    'TRUNCATE views.checkpoints',
  ]) {
    await applier.caughtUp();
    await other.caughtUp();
    await applier.database.pool.query(drop);
    const head = await fill(setting.log, 10);
    for (const runner of [applier, other]) {
      await runner.reached(head, projections);
      for (const projection of projections) await assertCounts(setting, runner.database, projection);
    }
  }
  assert.deepEqual([...applier.stops, ...other.stops], []);
});

test('a views’ database that was dropped and created anew is filled again', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const runner = await run(setting, { projections: [projection] });
  await runner.reached(await fill(setting.log, 1000), [projection]);

  const { database = '' } = setting.connections.views;
  const client = new pg.Client({ ...setting.connections.views, database: 'postgres' });
  await client.connect();
  await client.query(`DROP DATABASE ${database} WITH (FORCE)`);
  await until('it is missed', () => runner.outages.length > 0, patient);
  await client.query(`CREATE DATABASE ${database}`);
  await client.end();

  const head = await fill(setting.log, 10);
  await until(
    'it is filled',
    () =>
      runner.reached(head, [projection]).then(
        () => true,
        () => false,
      ),
    patient,
  );
  await assertCounts(setting, runner.database, projection);
});

test('views that are ahead of the log are not touched until they are replayed', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const first = await run(setting, { projections: [projection] });
  await first.reached(await fill(setting.log, 100), [projection]);
  await first.close();
  const restored = await startSetting(t);
  await fill(restored.log, 50);

  const runner = await run({ ...setting, log: restored.log }, { projections: [projection] });
  await until('it is told', () => runner.outages.length > 0, patient);
  assert.match(String(runner.outages[0]), /counts_v1 is at position 100 of a log that ends at 50/);

  await replay({ ...setting, log: restored.log }, runner.database, projection);
  const head = await fill(restored.log, 200);
  await until('it goes on', async () => (await runner.status())[0]?.position === head, patient);
  await assertCounts({ ...setting, log: restored.log }, runner.database, projection);
});

test('a manifest with text that PostgreSQL cannot store stops no view', async (t) => {
  const setting = await startSetting(t);
  const projection: Projection<Counted> = {
    name: 'texts',
    version: 1,
    handles: ['Counted'],
    create: (db) =>
      db.schema
        .createTable('texts')
        .addColumn('key', 'text', (key) => key.primaryKey())
        .addColumn('text', 'text')
        .execute(),
    async apply(tables, events) {
      const rows = events.map(({ data }) => ({ key: data.key, text: data.text }));
      await tables.write('texts', ['key'], rows);
      await tables.remove(
        'texts',
        ['key'],
        rows.filter(({ text }) => text === 'gone'),
      );
    },
  };
  const runner = await run(setting, { projections: [projection] });
  const texts = ['a\0b', '\ud800', '\udfff!', 'C:\\u0000', '"\\', '😀', 'twice', 'line\n\u001f\u2028'];
  const events = [...texts.map((text) => counted(text, 1, text)), counted('twice', 1, 'later')];
  const position = await setting.log.append('count/texts', 'any', [
    ...events,
    counted('x', 1, 'gone'),
    counted('x\0', 1, 'gone'),
  ]);

  await runner.reached(position, [projection]);

  const { rows } = await runner.database.pool.query(
    'SELECT key, text FROM texts_v1.texts ORDER BY key COLLATE "C"',
  );
  const stored = (text: string) => text.replaceAll('\0', '\uFFFD').toWellFormed();
  const expected = texts.map((text) => ({
    key: stored(text),
    text: text === 'twice' ? 'later' : stored(text),
  }));
  assert.deepEqual(
    new Set(rows.map((row) => JSON.stringify(row))),
    new Set(expected.map((row) => JSON.stringify(row))),
  );
});

async function replay(setting: Setting, database: Database, projection: Projection<Counted>): Promise<void> {
  await replayViews({
    log: setting.log,
    database,
    catalogue: countedCatalogue,
    projections: [projection],
    onProgress: () => undefined,
  });
}

/** Ends every session on the views' database but the one that asks. */
async function endSessions({ connections }: Setting): Promise<void> {
  const database = await connectDatabase({ connection: connections.views, poolSize: 1, waitMs: 30_000 });
  await database.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`,
  );
  await database.close();
}
