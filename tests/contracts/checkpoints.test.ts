import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Checkpoints } from '../../infra/checkpoints/port.ts';
import { postgresCheckpoints } from '../../infra/checkpoints/postgres.ts';
import { connectDatabase } from '../../infra/database/connect.ts';
import { startPostgres } from '../postgres.ts';

interface Opened {
  /** Two processes' worth of one store. */
  readonly each: readonly [Checkpoints, Checkpoints];
  drop(): Promise<void>;
}

async function open(t: TestContext): Promise<Opened> {
  const { connection } = await startPostgres(t);
  const database = await connectDatabase({ connection: connection(), poolSize: 4, waitMs: 30_000 });
  t.after(() => database.close());
  return {
    each: [postgresCheckpoints(database), postgresCheckpoints(database)],
    drop: async () => void (await database.pool.query('DROP SCHEMA followers CASCADE')),
  };
}

test('a checkpoint is what was written last, for every process, and nothing before it is written', async (t) => {
  const { each } = await open(t);
  const [one, other] = each;
  const beyondDoubles = 2n ** 62n + 1n;
  assert.equal(await one.read('a'), undefined);
  await Promise.all(each.map((checkpoints) => checkpoints.write('a', 3n)));
  await one.write('a', beyondDoubles);
  assert.equal(await other.read('a'), beyondDoubles);
  assert.equal(await other.read('b'), undefined);
});

test('a checkpoint never goes back, whoever writes it late', async (t) => {
  const [one, other] = (await open(t)).each;
  await one.write('a', 7n);
  await other.write('a', 5n);
  assert.equal(await one.read('a'), 7n);
});

test('a checkpoint that is removed, or dropped with the database, is as if it had never been', async (t) => {
  const { each, drop } = await open(t);
  const [one, other] = each;
  await one.write('a', 7n);
  await one.write('b', 8n);
  await other.remove('a');
  assert.equal(await one.read('a'), undefined);
  assert.equal(await one.read('b'), 8n);
  await drop();
  assert.equal(await one.read('b'), undefined);
  await other.write('b', 2n);
  assert.equal(await one.read('b'), 2n);
});
