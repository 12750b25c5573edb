import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { loadConfiguration } from '../../infra/configuration/load.ts';
import { connectDatabase } from '../../infra/database/connect.ts';
import { openRedis } from '../../infra/redis/connect.ts';
import { secretBox } from '../../infra/secrets/aes-gcm.ts';
import { type Session, type SessionStore, SessionStoreUnavailable } from '../../infra/session-store/port.ts';
import { openPostgresSessions } from '../../infra/session-store/postgres.ts';
import { redisSessions } from '../../infra/session-store/redis.ts';
import { startPostgres } from '../postgres.ts';
import { startRedis } from '../redis-server.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';

/** Two processes' worth of one store; undefined where it is not on this machine. */
type Open = (t: TestContext) => Promise<readonly [SessionStore, SessionStore] | undefined>;

const hourMs = 3_600_000;
let opened = 0;

/** A session of the user, each opened a second after the one before. */
function sessionOf(userId: number, more: Partial<Session> = {}): Session {
  opened += 1;
  const createdAt = new Date(Date.now() - hourMs + opened * 1000);
  return {
    idHash: createHash('sha256').update(randomBytes(32)).digest('base64url'),
    user: { userId, username: `user${userId}`, credentialVersion: 7 },
    createdAt,
    lastUsedAt: createdAt,
    expiresAt: new Date(Date.now() + hourMs),
    address: '2001:db8::1',
    userAgent: 'Mozilla/5.0 ("ÿ\t☃")',
    ...more,
  };
}

const hashesOf = (sessions: readonly Session[]): string[] => sessions.map(({ idHash }) => idHash);

/** What every adapter holds. */
function sessionStoreContract(engine: string, open: Open): void {
  test(`${engine}: a session is found as it was opened, by every process`, async (t) => {
    const stores = await open(t);
    if (stores === undefined) return;
    const session = sessionOf(3);
    await stores[0].open(session, 10);
    for (const store of stores) {
      assert.deepEqual(await store.find(session.idHash), session);
      assert.deepEqual(await store.listOf(3), [session]);
      assert.equal(await store.find(sessionOf(3).idHash), undefined);
      assert.deepEqual(await store.listOf(4), []);
    }
  });

  test(`${engine}: a list has the sessions of one user, the newest first`, async (t) => {
    const [store] = (await open(t)) ?? [];
    if (store === undefined) return;
    const [first, second, third] = [sessionOf(3), sessionOf(3), sessionOf(3)];
    for (const session of [second, sessionOf(4), third, first]) await store.open(session, 10);
    assert.deepEqual(hashesOf(await store.listOf(3)), hashesOf([third, second, first]));
  });

  test(`${engine}: a session that was ended is gone for every process, and cannot be ended twice`, async (t) => {
    const stores = await open(t);
    if (stores === undefined) return;
    const [session, other] = [sessionOf(3), sessionOf(3)];
    for (const each of [session, other]) await stores[0].open(each, 10);
    assert.equal(await stores[1].end(session.idHash), true);
    assert.equal(await stores[0].end(session.idHash), false);
    for (const store of stores) {
      assert.equal(await store.find(session.idHash), undefined);
      assert.deepEqual(hashesOf(await store.listOf(3)), [other.idHash]);
    }
  });

  test(`${engine}: a session is renewed with when and from where it was used`, async (t) => {
    const stores = await open(t);
    if (stores === undefined) return;
    const session = sessionOf(3);
    await stores[0].open(session, 10);
    const used = {
      ...session,
      lastUsedAt: new Date(),
      expiresAt: new Date(Date.now() + 2 * hourMs),
      address: '192.0.2.1',
      userAgent: '',
    };
    await stores[1].renew(used);
    assert.deepEqual(await stores[0].find(session.idHash), used);
    assert.deepEqual(await stores[0].listOf(3), [used]);
  });

  test(`${engine}: what has ended is not brought back by a renewal that comes late`, async (t) => {
    const [store] = (await open(t)) ?? [];
    if (store === undefined) return;
    const sessions = Array.from({ length: 20 }, () => sessionOf(3));
    for (const session of sessions) await store.open(session, 100);
    await Promise.all(sessions.flatMap((session) => [store.renew(session), store.end(session.idHash)]));
    for (const session of sessions) await store.renew(session);
    assert.deepEqual(await store.listOf(3), []);
    for (const { idHash } of sessions) assert.equal(await store.find(idHash), undefined);
  });

  test(`${engine}: a session that has expired is as if it were not there, and is swept away`, async (t) => {
    const [store] = (await open(t)) ?? [];
    if (store === undefined) return;
    const lasting = sessionOf(3);
    await store.open(lasting, 100);
    const short = Array.from({ length: 5 }, () => sessionOf(3, { expiresAt: new Date(Date.now() + 500) }));
    for (const session of short) await store.open(session, 100);
    await until(
      'they have expired',
      async () => (await store.find(short.at(-1)?.idHash ?? '')) === undefined,
    );
    for (const { idHash } of short) {
      assert.equal(await store.find(idHash), undefined);
      assert.equal(await store.end(idHash), false);
    }
    assert.deepEqual(hashesOf(await store.listOf(3)), [lasting.idHash]);
    while ((await store.sweep(2)) > 0);
    assert.deepEqual(hashesOf(await store.listOf(3)), [lasting.idHash]);
  });

  test(`${engine}: of more sessions than a user may have the oldest end, and those of others stay`, async (t) => {
    const [store] = (await open(t)) ?? [];
    if (store === undefined) return;
    const other = sessionOf(4);
    await store.open(other, 3);
    const sessions = Array.from({ length: 5 }, () => sessionOf(3));
    for (const session of sessions) await store.open(session, 3);
    assert.deepEqual(hashesOf(await store.listOf(3)), hashesOf(sessions.slice(2).toReversed()));
    for (const { idHash } of sessions.slice(0, 2)) assert.equal(await store.find(idHash), undefined);
    assert.deepEqual(await store.listOf(4), [other]);
  });

  test(`${engine}: one that has expired takes the place of none that is open`, async (t) => {
    const [store] = (await open(t)) ?? [];
    if (store === undefined) return;
    const old = sessionOf(3);
    await store.open(old, 3);
    const short = sessionOf(3, { expiresAt: new Date(Date.now() + 200) });
    await store.open(short, 3);
    await until('it has expired', async () => (await store.find(short.idHash)) === undefined);
    for (const session of [sessionOf(3), sessionOf(3)]) await store.open(session, 3);
    assert.deepEqual((await store.listOf(3)).at(-1), old);
  });

  test(`${engine}: however many are opened at once, a user has no more than he may`, async (t) => {
    const stores = await open(t);
    if (stores === undefined) return;
    const sessions = Array.from({ length: 20 }, () => sessionOf(3));
    await Promise.all(sessions.map((session, at) => stores[at % 2]?.open(session, 4)));
    const listed = await stores[0].listOf(3);
    assert.equal(listed.length, 4);
    const found = await Promise.all(sessions.map(({ idHash }) => stores[1].find(idHash)));
    assert.equal(found.filter((session) => session !== undefined).length, 4);
  });

  test(`${engine}: all sessions of a user end together, and nobody else's`, async (t) => {
    const stores = await open(t);
    if (stores === undefined) return;
    const [own, other] = [[sessionOf(3), sessionOf(3)], sessionOf(4)];
    for (const session of [...own, other]) await stores[0].open(session, 10);
    await stores[1].endAllOf(3);
    await stores[1].endAllOf(5);
    for (const { idHash } of own) assert.equal(await stores[0].find(idHash), undefined);
    assert.deepEqual(await stores[0].listOf(3), []);
    assert.deepEqual(await stores[0].listOf(4), [other]);
  });
}

async function startDatabase(t: TestContext) {
  const { connection } = await startPostgres(t);
  const database = await connectDatabase({ connection: connection(), poolSize: 8, waitMs: 30_000 });
  t.after(() => database.close());
  return database;
}

const secrets = secretBox('a key that nobody guesses');

async function startStores(t: TestContext) {
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return undefined;
  const server = await startRedis(t, program);
  const configuration = await loadConfiguration({
    environment: {
      SHIPLOG_EXTERNAL_REDIS_HOST: server.address,
      SHIPLOG_EXTERNAL_REDIS_PASSWORD: server.password,
    },
  });
  const open = async () => {
    const redis = await openRedis(configuration, { info: () => undefined, warn: () => undefined });
    assert.ok(redis !== undefined);
    t.after(() => redis.disconnect());
    await until('it is connected', () => redis.status === 'ready');
    return redis;
  };
  const redis = await open();
  return { server, redis, one: redisSessions(redis, secrets), other: redisSessions(await open(), secrets) };
}

sessionStoreContract('postgres', async (t) => {
  const database = await startDatabase(t);
  // Both at once, and both for the first time.
  return Promise.all([openPostgresSessions(database), openPostgresSessions(database)]);
});
sessionStoreContract('redis', async (t) => {
  const stores = await startStores(t);
  return stores && [stores.one, stores.other];
});

test('when the table is dropped while it runs, everybody is logged out and can log in again', async (t) => {
  const database = await startDatabase(t);
  const store = await openPostgresSessions(database);
  await store.open(sessionOf(3), 10);
  await database.pool.query('DROP SCHEMA sessions CASCADE');
  assert.deepEqual(await store.listOf(3), []);
  await database.pool.query('DROP SCHEMA sessions CASCADE');
  const session = sessionOf(3);
  await store.open(session, 10);
  assert.deepEqual(await store.find(session.idHash), session);
});

test('no more expired sessions are swept at once than asked for', async (t) => {
  const store = await openPostgresSessions(await startDatabase(t));
  const expiresAt = new Date(Date.now() - 1000);
  for (let n = 0; n < 5; n += 1) await store.open(sessionOf(n, { expiresAt }), 10);
  assert.deepEqual([await store.sweep(2), await store.sweep(2), await store.sweep(2)], [2, 2, 1]);
  assert.equal(await store.sweep(2), 0);
});

test('what somebody else has put into Redis is no session, and shows nothing', async (t) => {
  const stores = await startStores(t);
  if (stores === undefined) return;
  const { redis, one } = stores;
  const [session, other] = [sessionOf(3), sessionOf(4)];
  await one.open(session, 10);
  const key = (idHash: string) => `shiplog:session:${idHash}`;
  const sealed = (await redis.get(key(session.idHash))) ?? '';
  assert.doesNotMatch(Buffer.from(sealed.slice(3), 'base64url').toString('latin1'), /user3|2001:db8/);
  for (const forged of [sealed, JSON.stringify(other), 'x', '']) {
    await redis.set(key(other.idHash), forged);
    assert.equal(await one.find(other.idHash), undefined);
  }
  await redis.zadd('shiplog:sessions-of:4', 1, session.idHash, 2, other.idHash);
  assert.deepEqual(await one.listOf(4), []);
});

test('Redis keeps nothing of sessions longer than they last, and the index as long as the last of them', async (t) => {
  const stores = await startStores(t);
  if (stores === undefined) return;
  const { redis, one } = stores;
  const [long, short] = [sessionOf(3), sessionOf(3, { expiresAt: new Date(Date.now() + 60_000) })];
  await one.open(long, 10);
  await one.open(short, 10);
  const left = async (key: string) => Number(await redis.pttl(key));
  const [index, ofShort] = [
    await left('shiplog:sessions-of:3'),
    await left(`shiplog:session:${short.idHash}`),
  ];
  assert.ok(index > hourMs - 10_000 && index <= hourMs, `${index}`);
  assert.ok(ofShort > 0 && ofShort <= 60_000, `${ofShort}`);
  // It may evict the index alone.
  await redis.del('shiplog:sessions-of:3');
  await one.renew(long);
  await one.endAllOf(3);
  assert.equal(await one.find(long.idHash), undefined);
});

for (const leave of ['kill', 'freeze'] as const) {
  test(`while Redis is away (${leave}) nobody is taken for a stranger: every question fails`, async (t) => {
    const stores = await startStores(t);
    if (stores === undefined) return;
    const { server, one } = stores;
    const session = sessionOf(3);
    await one.open(session, 10);
    await server[leave]();
    const questions = [
      () => one.find(session.idHash),
      () => one.open(sessionOf(3), 10),
      () => one.renew(session),
      () => one.listOf(3),
      () => one.end(session.idHash),
      () => one.endAllOf(3),
    ];
    await Promise.all(questions.map((ask) => assert.rejects(ask, SessionStoreUnavailable)));
    server.resume();
  });
}
