import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startGateways } from '../gateways.ts';
import { type RedisServer, startRedis } from '../redis-server.ts';
import type { TestServer } from '../server.ts';
import { requireTool } from '../tool.ts';
import { ask, createUser, json, password } from './api-client.ts';
import { type Browser, loggedIn } from './browser.ts';
import { refusalOf, send } from './client.ts';

const stores = ['postgres', 'redis'] as const;

async function start(t: TestContext, store: (typeof stores)[number]) {
  if (store === 'postgres') return { ...(await startGateways(t)), redis: undefined };
  const program = requireTool(t, 'redis-server');
  if (program === undefined) return undefined;
  const redis = await startRedis(t, program);
  const gateways = await startGateways(t, {
    SHIPLOG_EXTERNAL_REDIS_HOST: redis.address,
    SHIPLOG_EXTERNAL_REDIS_PASSWORD: redis.password,
  });
  return { ...gateways, redis };
}

const statusOf = async (browser: Browser) => (await browser.ask('GET', '/users/current')).status;

for (const store of stores) {
  test(`two gateways share their sessions in ${store}, and what ends one at either ends it at both`, async (t) => {
    const gateways = await start(t, store);
    if (gateways === undefined) return;
    const { one, other, redis } = gateways;
    let at: TestServer = one;
    const open = (name: string, shown = password) => loggedIn(() => at, name, shown);
    const id = await createUser(one, 'jane');
    const browser = await open('jane');

    await t.test(
      'each knows who has logged in at the other, and takes its token against forgery',
      async () => {
        for (const gateway of [other, one, other]) {
          at = gateway;
          const profile = { email: 'jane@example.com', realname: 'Jane', comment: '' };
          assert.equal((await browser.ask('PUT', `/users/${id}`, profile)).status, 200);
          assert.equal(json(await browser.ask('GET', '/users/current')).username, 'jane');
        }
      },
    );

    await t.test('who logs out at one is logged out at the other', async () => {
      at = one;
      const leaving = await open('jane');
      const sid = leaving.cookies.get('sid') ?? '';
      at = other;
      assert.equal(await statusOf(leaving), 200);
      await leaving.send('GET', '/c/log_out');
      at = one;
      leaving.cookies.set('sid', sid);
      assert.equal(await statusOf(leaving), 401);
      assert.equal(await statusOf(browser), 200);
    });

    await t.test('a user sees the sessions of both, and ends them at either', async () => {
      at = other;
      const second = await open('jane');
      at = one;
      const listed = json(await browser.ask('GET', '/users/current/sessions'));
      assert.deepEqual(
        listed.map(({ current }: { current: boolean }) => current),
        [false, true],
      );
      assert.equal((await browser.ask('DELETE', `/users/current/sessions/${listed[0].id}`)).status, 200);
      at = other;
      assert.equal(await statusOf(second), 401);
    });

    await t.test('another password, set at one, ends the sessions at the other at once', async () => {
      at = other;
      const second = await open('jane');
      const body = { old_password: '', new_password: `${password}-2` };
      assert.equal((await ask(one, 'PUT', `/users/${id}/password`, { body })).status, 200);
      assert.equal(await statusOf(second), 401);
      assert.equal(await statusOf(browser), 401);
    });

    await t.test('who changes his password at one goes on at both, and nobody else in his name', async () => {
      at = one;
      const [own, second] = [await open('jane', `${password}-2`), await open('jane', `${password}-2`)];
      const body = { old_password: `${password}-2`, new_password: password };
      assert.equal((await own.ask('PUT', `/users/${id}/password`, body)).status, 200);
      for (const gateway of [other, one]) {
        at = gateway;
        assert.equal(await statusOf(own), 200);
        assert.equal(await statusOf(second), 401);
      }
    });

    await t.test('a lost right and a deletion at one count at the other at once', async () => {
      at = other;
      const session = await open('jane');
      const set = (sysadmin_flag: boolean) =>
        ask(one, 'PUT', `/users/${id}/sysadmin`, { body: { sysadmin_flag } });
      for (const [flag, status] of [
        [true, 200],
        [false, 403],
      ] as const) {
        await set(flag);
        assert.equal((await session.ask('GET', '/users')).status, status);
      }
      assert.equal((await ask(one, 'DELETE', `/users/${id}`)).status, 200);
      assert.equal(await statusOf(session), 401);
    });

    await t.test('many who log in at once, at both, are all logged in', async () => {
      await createUser(one, 'crowd');
      const browsers = await Promise.all(
        Array.from({ length: 10 }, (_, n) => loggedIn(n % 2 === 0 ? one : other, 'crowd')),
      );
      assert.deepEqual(await Promise.all(browsers.map(statusOf)), Array(10).fill(200));
    });

    if (redis !== undefined)
      await t.test('while Redis is away a session is refused as an outage, and passwords go on', () =>
        refusedWithoutRedis(one, redis),
      );
  });
}

async function refusedWithoutRedis(gateway: TestServer, redis: RedisServer): Promise<void> {
  await createUser(gateway, 'patient');
  const browser = await loggedIn(gateway, 'patient');
  await redis.kill();
  for (const answer of [
    await browser.ask('GET', '/users/current'),
    await browser.logIn('patient'),
    await browser.send('GET', '/service/token?service=harbor-registry'),
  ])
    assert.deepEqual(refusalOf(answer), [503, 'UNAVAILABLE']);
  assert.equal((await ask(gateway, 'GET', '/users/current', { as: 'patient' })).status, 200);
  assert.equal((await send(gateway, 'GET', '/v2/', { as: `patient:${password}` })).status, 200);
}
