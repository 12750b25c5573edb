import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { connectDatabase } from '../../infra/database/connect.ts';
import { postgresResults } from '../../infra/job-results/postgres.ts';
import { startPostgres } from '../postgres.ts';

async function open(t: TestContext) {
  const { connection } = await startPostgres(t);
  const database = await connectDatabase({ connection: connection(), poolSize: 5, waitMs: 10_000 });
  t.after(() => database.close());
  return { results: postgresResults(database), pool: database.pool };
}

const task = 7;
const rowsTo = (count: number) => Array.from({ length: count }, (_, n) => ({ n: n + 1 }));

test('a task has no rows until it keeps some, and then these in their order', async (t) => {
  const { results } = await open(t);
  assert.equal(await results.count(task), undefined);
  assert.deepEqual(await results.read(task, 0, 10), []);
  assert.equal(await results.replace(task, rowsTo(1203)), 1203);
  assert.equal(await results.count(task), 1203);
  const read = [];
  for (let place = 0; place < 1203; place += 500) read.push(...(await results.read(task, place, 500)));
  assert.deepEqual(
    read,
    rowsTo(1203).map((row, index) => ({ place: index + 1, row })),
  );
});

test('no rows are rows too', async (t) => {
  const { results } = await open(t);
  assert.equal(await results.replace(task, []), 0);
  assert.equal(await results.count(task), 0);
});

test('rows that cannot all be had leave what was there', async (t) => {
  const { results } = await open(t);
  await results.replace(task, [{ n: 'before' }]);
  async function* failing() {
    yield* rowsTo(700);
    throw new Error('no more');
  }
  await assert.rejects(results.replace(task, failing()), /no more/);
  assert.deepEqual(await results.read(task, 0, 10), [{ place: 1, row: { n: 'before' } }]);
  assert.equal(await results.replace(task, rowsTo(2)), 2);
  assert.equal((await results.read(task, 0, 10)).length, 2);
});

test('a row is changed in its place, whatever it holds', async (t) => {
  const { results } = await open(t);
  await results.replace(task, rowsTo(3));
  const row = { text: 'a\0b \ud800 "ü" ☃', nothing: null, list: [1, { deep: true }] };
  await results.write(task, [
    { place: 2, row },
    { place: 99, row },
  ]);
  assert.deepEqual(await results.read(task, 0, 10), [
    { place: 1, row: { n: 1 } },
    { place: 2, row },
    { place: 3, row: { n: 3 } },
  ]);
});

test('of those that keep rows for one task at once one wins as a whole', async (t) => {
  const { results } = await open(t);
  await Promise.all(
    [1, 2, 3].map((by) =>
      results.replace(
        task,
        rowsTo(600).map((row) => ({ ...row, by })),
      ),
    ),
  );
  const rows = await results.read<{ by: number }>(task, 0, 1000);
  assert.equal(rows.length, 600);
  assert.equal(new Set(rows.map(({ row }) => row.by)).size, 1);
});

test('rows say what they were found by, and when', async (t) => {
  const { results } = await open(t);
  assert.equal(await results.basisOf(task), undefined);
  const before = Date.now();
  await results.replace(task, rowsTo(1), 'these rules');
  const found = await results.basisOf(task);
  assert.equal(found?.basis, 'these rules');
  assert.ok(found.keptAt.getTime() >= before && found.keptAt.getTime() <= Date.now());
  await results.replace(task, rowsTo(1));
  assert.equal((await results.basisOf(task))?.basis, '');
});

test('tables of an older version get what they lack', async (t) => {
  const { results, pool } = await open(t);
  await results.replace(task, rowsTo(2));
  await pool.query('ALTER TABLE job_results.tasks DROP COLUMN basis');
  assert.equal((await results.basisOf(task))?.basis, '');
  assert.equal(await results.count(task), 2);
});

test('tasks that are forgotten have no rows, and the others keep theirs', async (t) => {
  const { results } = await open(t);
  for (const each of [1, 2, 3]) await results.replace(each, rowsTo(2));
  await results.forget([]);
  await results.forget([1, 3, 99]);
  assert.deepEqual(await Promise.all([1, 2, 3].map((each) => results.count(each))), [
    undefined,
    2,
    undefined,
  ]);
  assert.deepEqual(await results.read(1, 0, 10), []);
});

test('what was kept before a time is forgotten, some tasks at a time', async (t) => {
  const { results } = await open(t);
  const [old, older] = [1, 2];
  for (const each of [old, older]) await results.replace(each, rowsTo(2));
  assert.equal(await results.sweep(new Date(0), 10), 0);
  let swept = 0;
  for (let some = 1; some > 0; swept += some) some = await results.sweep(new Date(Date.now() + 60_000), 1);
  assert.equal(swept, 2);
  assert.equal(await results.count(old), undefined);
  assert.deepEqual(await results.read(older, 0, 10), []);
});

test('who drops the tables finds them made again', async (t) => {
  const { results, pool } = await open(t);
  assert.equal(await results.count(1), undefined);
  await pool.query('DROP SCHEMA job_results CASCADE');
  assert.equal(await results.count(1), undefined);
  assert.equal(await results.replace(1, rowsTo(1)), 1);
});
