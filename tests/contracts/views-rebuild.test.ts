import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Database } from '../../infra/database/connect.ts';
import { isBeingBuilt, type Projection } from '../../infra/database/projection.ts';
import { tableDigests } from '../../infra/views/compare.ts';
import { discardLeftovers, LeftoverInUse } from '../../infra/views/leftovers.ts';
import {
  type RebuildOptions,
  RebuildRunning,
  RebuildStopped,
  replayViews,
  verifyViews,
} from '../../infra/views/rebuild.ts';
import { until } from '../until.ts';
import { startScript } from './script.ts';
import {
  assertCounts,
  type Counted,
  counted,
  countedCatalogue,
  counting,
  countsIn,
  fill,
  run,
  type Setting,
  startSetting,
} from './views-setting.ts';

const options = (
  { log }: Setting,
  database: Database,
  projections: readonly Projection<Counted>[],
  onProgress: RebuildOptions['onProgress'] = () => undefined,
): RebuildOptions => ({ log, database, catalogue: countedCatalogue, projections, onProgress });

async function schemasOf({ pool }: Database): Promise<string[]> {
  const { rows } = await pool.query(
    "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)' ORDER BY nspname",
  );
  return rows.map(({ nspname }) => nspname);
}

async function digestsOf(database: Database, schema: string): Promise<Map<string, string>> {
  const client = await database.pool.connect();
  try {
    return await tableDigests(client, schema);
  } finally {
    client.release();
  }
}

/** Views of a log with some events, applied and at rest. */
async function served(setting: Setting, projections: readonly Projection<Counted>[], events = 3000) {
  await fill(setting.log, events);
  const runner = await run(setting, { projections });
  await runner.caughtUp();
  await runner.close();
  return runner.database;
}

test('a replay under way disturbs neither readers nor the runner, and yields what the log says', async (t) => {
  const setting = await startSetting(t);
  const projections = [counting('a'), counting('b')];
  await fill(setting.log, 6000);
  const runner = await run(setting, { projections });
  await runner.caughtUp();
  const over = new AbortController();
  const readers = await setting.connect(3);
  let reads = 0;
  let atLeast = 0;
  const reading = Array.from({ length: 3 }, async () => {
    while (!over.signal.aborted) {
      runner.requireCurrent();
      const floor = atLeast;
      const { rows } = await readers.pool.query(
        `SELECT (SELECT sum(events)::int FROM a_v1.counts) AS counts, (SELECT count(*)::int FROM a_v1.seen) AS seen`,
      );
      // Both tables of one statement are of the same moment, and never older than what a reader has seen.
      assert.equal(rows[0].counts, rows[0].seen);
      assert.ok(rows[0].seen >= floor, `${rows[0].seen} rows after ${floor}`);
      atLeast = Math.max(atLeast, rows[0].seen);
      reads++;
    }
  });
  const appending = (async () => {
    while (!over.signal.aborted) await runner.reached(await fill(setting.log, 20), projections);
  })();
  try {
    for (let n = 0; n < 3; n++) {
      const before = reads;
      const results = await replayViews(options(setting, runner.database, projections));
      assert.deepEqual(
        results.map(({ projection, served, difference }) => [projection.name, served, difference]),
        [
          ['a', true, null],
          ['b', true, null],
        ],
      );
      assert.ok(reads > before, 'readers were served meanwhile');
    }
  } finally {
    over.abort();
    await Promise.all([...reading, appending]);
  }
  await runner.reached(await fill(setting.log, 10), projections);
  for (const projection of projections) await assertCounts(setting, runner.database, projection);
  assert.deepEqual([runner.stops, runner.outages], [[], []]);
  assert.deepEqual(await schemasOf(runner.database), ['a_v1', 'b_v1', 'views']);
});

test('the digests of the rows before and after a replay are the same, and those that it reports', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const database = await served(setting, [projection]);
  const before = await digestsOf(database, 'counts_v1');

  const [result] = await replayViews(options(setting, database, [projection]));

  assert.deepEqual(result?.tables, before);
  assert.deepEqual(await digestsOf(database, 'counts_v1'), before);
  assert.deepEqual([...before.keys()], ['counts', 'incoming', 'seen']);
  assert.equal(result?.position, 3000n);
});

test('a replay says so when the rows were others before, and repairs them', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const database = await served(setting, [projection]);
  await database.pool.query("UPDATE counts_v1.counts SET total = total + 1 WHERE key = 'key-3'");

  const [result] = await replayViews(options(setting, database, [projection]));

  assert.equal(result?.difference?.table, 'counts');
  assert.match(result?.difference?.rebuilt ?? '', /^\(key-3,/);
  assert.notEqual(result?.difference?.serving, result?.difference?.rebuilt);
  await assertCounts(setting, database, projection);
});

test('a replay builds what is not there', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  await fill(setting.log, 1000);
  const database = await setting.connect();

  const [result] = await replayViews(options(setting, database, [projection]));

  assert.deepEqual([result?.served, result?.difference, result?.position], [false, null, 1000n]);
  await assertCounts(setting, database, projection);
  const runner = await run(setting, { projections: [projection] });
  await runner.reached(await fill(setting.log, 10), [projection]);
  await assertCounts(setting, database, projection);
});

test('a replay reads the log once for all projections, also when one of them stands far behind', async (t) => {
  const setting = await startSetting(t);
  const broken = [counting('a'), counting('b', { refuses: 'poison' }), counting('c')];
  await setting.log.append('count/poison', 'any', [counted('poison')]);
  await fill(setting.log, 6000);
  const runner = await run(setting, { projections: broken });
  await runner.caughtUp();
  assert.equal(runner.stops.length, 1);
  await runner.close();

  const projections = ['a', 'b', 'c'].map((name) => counting(name));
  let read = 0;
  await replayViews(options(setting, runner.database, projections, ({ events }) => (read = events)));

  assert.equal(read, 6001);
  for (const projection of projections) await assertCounts(setting, runner.database, projection);
});

test('a projection is replayed or verified by one process at a time', async (t) => {
  const setting = await startSetting(t);
  const [projection, free] = [counting('counts'), counting('free')];
  const database = await served(setting, [projection, free], 6000);
  let others = Promise.resolve();
  let asked = false;
  const onProgress = () => {
    if (asked) return;
    asked = true;
    others = (async () => {
      const another = await setting.connect();
      await assert.rejects(replayViews(options(setting, another, [free, projection])), RebuildRunning);
      await assert.rejects(verifyViews(options(setting, another, [projection])), RebuildRunning);
      await verifyViews(options(setting, another, [free]));
    })();
  };
  // Slow enough that it is still under way while the others ask.
  const slow: Projection<Counted> = {
    ...projection,
    async apply(tables, events) {
      await projection.apply(tables, events);
      if (asked) await others;
    },
  };

  await replayViews(options(setting, database, [slow], onProgress));

  assert.ok(asked);
  await others;
  await assertCounts(setting, database, projection);
  assert.deepEqual(await schemasOf(database), ['counts_v1', 'free_v1', 'views']);
});

test('a replay that meets an event which it cannot apply names it and leaves what serves untouched', async (t) => {
  const setting = await startSetting(t);
  const projections = [counting('a'), counting('b')];
  await fill(setting.log, 1000);
  const at = await setting.log.append('count/poison', 'any', [counted('poison')]);
  const database = await served(setting, projections, 1000);
  const before = await countsIn(database, 'b_v1');

  await assert.rejects(
    replayViews(options(setting, database, [counting('a'), counting('b', { refuses: 'poison' })])),
    (error: Error) =>
      error instanceof RebuildStopped &&
      error.message === `b cannot apply Counted at position ${at}: Error: cannot count poison`,
  );

  assert.deepEqual(await countsIn(database, 'b_v1'), before);
  assert.deepEqual(await schemasOf(database), ['a_v1', 'b_v1', 'views']);
  const runner = await run(setting, { projections });
  await runner.reached(await fill(setting.log, 10), projections);
  for (const projection of projections) await assertCounts(setting, database, projection);
});

test('what a killed replay left over does not disturb the next one', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const database = await served(setting, [projection], 12_000);
  const { connections } = setting;
  const replaying = startScript(t, 'run-replay.ts', [JSON.stringify({ connections, names: ['counts'] })]);
  assert.match(await replaying.line(), /^at \d+$/);
  await replaying.kill();
  await until('its session is gone', async () => {
    const text = "SELECT FROM pg_stat_activity WHERE application_name = 'killed replay'";
    return (await database.pool.query(text)).rowCount === 0;
  });
  assert.ok((await schemasOf(database)).includes('counts_v1_replay'));

  const [result] = await replayViews(options(setting, database, [projection]));

  assert.equal(result?.difference, null);
  await assertCounts(setting, database, projection);
  assert.deepEqual(await schemasOf(database), ['counts_v1', 'views']);
});

test('what other versions and killed copies have left over goes, unless somebody is at work on it', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const other = counting('other');
  const database = await served(setting, [projection, other, { ...projection, version: 2 }], 10);
  for (const [name, copy] of [
    ['counts', 'counts_v1_verify'],
    ['other', 'other_v1_verify'],
  ])
    await database.pool.query(
      'INSERT INTO views.checkpoints (schema, projection, version) VALUES ($1, $2, 1)',
      [copy, name],
    );
  await database.pool.query('CREATE SCHEMA counts_v1_verify; CREATE SCHEMA other_v1_verify');
  const discarding = () => discardLeftovers(database, [projection, other], [other]);

  const newer = await run(setting, { projections: [{ ...projection, version: 2 }] });
  await newer.caughtUp();
  await assert.rejects(discarding(), (error) => {
    assert.ok(error instanceof LeftoverInUse);
    assert.match(error.message, /counts_v2$/);
    return true;
  });
  assert.deepEqual(await schemasOf(database), [
    'counts_v1',
    'counts_v2',
    'other_v1',
    'other_v1_verify',
    'views',
  ]);
  await newer.close();
  await discarding();
  assert.deepEqual(await schemasOf(database), ['counts_v1', 'other_v1', 'other_v1_verify', 'views']);
});

test('a long read of the old tables delays the replay, and not the other readers', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const database = await served(setting, [projection]);
  const backup = await database.pool.connect();
  await backup.query('BEGIN; SELECT count(*) FROM counts_v1.counts');

  let done = false;
  const replaying = replayViews(options(setting, database, [projection])).then(() => {
    done = true;
  });
  await until('the replay waits for the long read', async () => {
    const { rows } = await database.pool.query(
      "SELECT count(*)::int AS waits FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted",
    );
    return rows[0].waits > 0;
  });
  for (let n = 0; n < 20; n++) await countsIn(database, projection);
  assert.equal(done, false);

  await backup.query('COMMIT');
  backup.release();
  await replaying;
  await assertCounts(setting, database, projection);
});

test('a verification finds nothing where nothing differs, changes nothing and leaves nothing behind', async (t) => {
  const setting = await startSetting(t);
  const projections = [counting('a'), counting('b')];
  await fill(setting.log, 3000);
  const runner = await run(setting, { projections });
  await runner.caughtUp();
  const over = new AbortController();
  const appending = (async () => {
    while (!over.signal.aborted) await runner.reached(await fill(setting.log, 20), projections);
  })();

  const results = await verifyViews(options(setting, runner.database, projections));
  over.abort();
  await appending;

  assert.deepEqual(
    results.map(({ served, difference }) => [served, difference]),
    [
      [true, null],
      [true, null],
    ],
  );
  assert.deepEqual(await schemasOf(runner.database), ['a_v1', 'b_v1', 'views']);
});

test('a verification names the first row that is changed, missing or too many', async (t) => {
  const setting = await startSetting(t);
  const projection = counting('counts');
  const database = await served(setting, [projection], 70);
  const total = (await countsIn(database, projection))['key-2']?.total;
  const cases = [
    {
      edit: "UPDATE counts_v1.counts SET events = 0 WHERE key IN ('key-2', 'key-5')",
      serving: `(key-2,0,${total})`,
      rebuilt: `(key-2,9,${total})`,
    },
    {
      edit: "DELETE FROM counts_v1.counts WHERE key IN ('key-2', 'key-6')",
      serving: null,
      rebuilt: `(key-2,9,${total})`,
    },
    {
      edit: "INSERT INTO counts_v1.counts VALUES ('key-2a', 1, 1), ('key-9', 1, 1)",
      serving: '(key-2a,1,1)',
      rebuilt: null,
    },
    {
      edit: "INSERT INTO counts_v1.counts VALUES ('key-9', NULL, 1)",
      serving: '(key-9,,1)',
      rebuilt: null,
    },
  ];
  for (const { edit, ...difference } of cases) {
    await database.pool.query(edit);
    const [result] = await verifyViews(options(setting, database, [projection]));
    assert.deepEqual(result?.difference, { table: 'counts', ...difference });
    assert.deepEqual(await schemasOf(database), ['counts_v1', 'views']);
    await replayViews(options(setting, database, [projection]));
  }
  // A table that holds too many positions is found as well.
  await database.pool.query('INSERT INTO counts_v1.seen VALUES (7000000)');
  const [result] = await verifyViews(options(setting, database, [projection]));
  assert.deepEqual(result?.difference, { table: 'seen', serving: '(7000000)', rebuilt: null });
});

test('a verification that fails leaves nothing behind', async (t) => {
  const setting = await startSetting(t);
  await setting.log.append('count/poison', 'any', [counted('poison')]);
  const database = await served(setting, [counting('counts')], 100);

  await assert.rejects(
    verifyViews(options(setting, database, [counting('counts', { refuses: 'poison' })])),
    RebuildStopped,
  );

  assert.deepEqual(await schemasOf(database), ['counts_v1', 'views']);
  const { rows } = await database.pool.query('SELECT schema FROM views.checkpoints');
  assert.deepEqual(rows, [{ schema: 'counts_v1' }]);
});

test('a verification says of a view that is not there that it is not served', async (t) => {
  const setting = await startSetting(t);
  await fill(setting.log, 10);
  const database = await setting.connect();
  const [result] = await verifyViews(options(setting, database, [counting('counts')]));
  assert.deepEqual([result?.served, result?.difference], [false, null]);
  assert.deepEqual(await schemasOf(database), ['views']);
  await assert.rejects(countsIn(database, counting('counts')), isBeingBuilt);
});

test('rows of every type count in the digests, whatever their order', async (t) => {
  const setting = await startSetting(t);
  const { pool } = await setting.connect();
  await pool.query(`
    CREATE SCHEMA one; CREATE SCHEMA two; CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE one.t (a text COLLATE "C" PRIMARY KEY, b json, c jsonb, d numeric, e mood, f text[], g bytea,
      h timestamptz, i uuid, j boolean, k double precision, l smallint);
    CREATE TABLE two.t (LIKE one.t INCLUDING ALL);
    INSERT INTO one.t VALUES ('x', '{"a": 1}', '{"a": 1}', 1.0, 'good', '{a,b}', '\\x01', '2026-01-01Z',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', true, 0.5, 7);
    INSERT INTO one.t (a) VALUES ('y');
    INSERT INTO two.t SELECT * FROM one.t ORDER BY a DESC`);
  const database = { pool } as Database;
  const whole = await digestsOf(database, 'one');
  assert.deepEqual(await digestsOf(database, 'two'), whole);

  const changes = [
    `a = 'z'`,
    `b = '{"a":1}'`,
    `c = '{"a": 2}'`,
    'd = 1.00',
    `e = 'bad'`,
    `f = '{a}'`,
    `g = NULL`,
    `h = '2026-01-01 00:00:00.001Z'`,
    'i = NULL',
    'j = false',
    'k = 0.25',
    'l = NULL',
  ];
  for (const change of changes) {
    await pool.query(`BEGIN; UPDATE two.t SET ${change} WHERE a = 'x'; COMMIT`);
    assert.notDeepEqual(await digestsOf(database, 'two'), whole, change);
    await pool.query('TRUNCATE two.t; INSERT INTO two.t SELECT * FROM one.t');
  }
  await pool.query("DELETE FROM two.t WHERE a = 'y'");
  assert.notDeepEqual(await digestsOf(database, 'two'), whole);
});
