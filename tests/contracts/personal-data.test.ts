import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { connectDatabase } from '../../infra/database/connect.ts';
import { openPersonalData } from '../../infra/personal-data/postgres.ts';
import { secretBox } from '../../infra/secrets/aes-gcm.ts';
import { SecretKeyUnusable } from '../../infra/secrets/key-file.ts';
import { startPostgres } from '../postgres.ts';

const secrets = secretBox('a key that nobody guesses');

async function start(t: TestContext) {
  const { connection } = await startPostgres(t);
  const database = await connectDatabase({ connection: connection(), poolSize: 4, waitMs: 30_000 });
  t.after(() => database.close());
  return database;
}

test('what is sealed for users opens in the order of the question', async (t) => {
  const data = await openPersonalData(await start(t), secrets);
  const [jane, john] = [await data.seal(3, 'jane@example.com'), await data.seal(4, 'john@example.com')];
  assert.doesNotMatch(jane, /jane/);
  assert.deepEqual(
    await data.open([
      { userId: 4, text: john },
      { userId: 3, text: jane },
      { userId: 4, text: john },
    ]),
    ['john@example.com', 'jane@example.com', 'john@example.com'],
  );
  assert.deepEqual(await data.open([]), []);
});

test('nothing of a person who is forgotten opens, and everything of the others does', async (t) => {
  const database = await start(t);
  const data = await openPersonalData(database, secrets);
  const other = await openPersonalData(database, secrets);
  const [first, second, john] = [await data.seal(3, 'a'), await data.seal(3, 'b'), await data.seal(4, 'c')];
  await data.forget(3);
  const question = [
    { userId: 3, text: first },
    { userId: 3, text: second },
    { userId: 4, text: john },
  ];
  for (const each of [data, other]) assert.deepEqual(await each.open(question), [undefined, undefined, 'c']);
  const { rows } = await database.pool.query('SELECT user_id FROM secrets.user_keys');
  assert.deepEqual(rows, [{ user_id: 4 }]);

  const again = await data.seal(3, 'd');
  assert.deepEqual(await data.open([{ userId: 3, text: again }, ...question]), [
    'd',
    undefined,
    undefined,
    'c',
  ]);
});

test('a text that is sealed for one user does not open for another', async (t) => {
  const data = await openPersonalData(await start(t), secrets);
  const jane = await data.seal(3, 'jane');
  await data.seal(4, 'john');
  assert.deepEqual(await data.open([{ userId: 4, text: jane }]), [undefined]);
});

test('many who seal for a new user at once share one key', async (t) => {
  const database = await start(t);
  const all = await Promise.all(Array.from({ length: 4 }, () => openPersonalData(database, secrets)));
  const sealed = await Promise.all(all.flatMap((data) => [data.seal(3, 'jane'), data.seal(3, 'jane')]));
  const [data] = all;
  assert.deepEqual(
    await data?.open(sealed.map((text) => ({ userId: 3, text }))),
    sealed.map(() => 'jane'),
  );
});

test('the keys in the table are sealed themselves', async (t) => {
  const database = await start(t);
  await (await openPersonalData(database, secrets)).seal(3, 'jane');
  const { rows } = await database.pool.query('SELECT sealed_key FROM secrets.user_keys');
  assert.match(rows[0].sealed_key, /^v1\./);
});

test('a process with another secret key does not start, rather than write what the others cannot read', async (t) => {
  const database = await start(t);
  await openPersonalData(database, secrets);
  await assert.rejects(
    openPersonalData(database, secretBox('another key of enough length')),
    SecretKeyUnusable,
  );
  await openPersonalData(database, secrets);
});

test('when the tables are dropped while it runs, what was sealed is lost and new things are kept', async (t) => {
  const database = await start(t);
  const data = await openPersonalData(database, secrets);
  const before = await data.seal(3, 'jane');
  await database.pool.query('DROP SCHEMA secrets CASCADE');
  assert.deepEqual(await data.open([{ userId: 3, text: before }]), [undefined]);
  const after = await data.seal(3, 'jane');
  assert.deepEqual(
    await data.open([
      { userId: 3, text: before },
      { userId: 3, text: after },
    ]),
    [undefined, 'jane'],
  );
});
