import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGateways } from '../gateways.ts';
import { until } from '../until.ts';
import { addMember, ask, createdId, createProject, createUser, json } from './api-client.ts';
import { send, type Target } from './client.ts';
import { askToken, bearer } from './token-client.ts';

test('what one gateway says of access tokens and secrets counts at the other one at once', async (t) => {
  const { one, other } = await startGateways(t);
  await createProject(one, 'team');
  await createUser(one, 'dev');
  await addMember(one, 'team', 'dev', 'developer');
  const path = '/v2/team/app/tags/list';
  const statusAt = async (target: Target, sent: Parameters<typeof send>[3]) =>
    (await send(target, 'GET', path, sent)).status;
  /** Each in turn, so that what either has kept is put to the test. */
  const turns = [
    [one, other],
    [other, one],
    [one, other],
    [other, one],
  ] as const;
  const create = (target: Target, name: string) =>
    ask(target, 'POST', '/users/current/tokens', { as: 'dev', body: { name, duration: 1 } });

  await t.test('a token that is made, and revoked', async () => {
    for (const [index, [makes, uses]] of turns.entries()) {
      const { id, token } = json(await create(makes, `turn ${index}`));
      const as = `dev:${token}`;
      const issued = await askToken(uses, { as, scope: ['repository:team/app:pull'] });
      const all = [{ as }, bearer(token), bearer(issued.token)];
      for (const target of [uses, makes])
        for (const sent of all) assert.equal(await statusAt(target, sent), 404);
      assert.equal((await ask(makes, 'DELETE', `/users/current/tokens/${id}`, { as: 'dev' })).status, 200);
      const statuses = await Promise.all(all.map((sent) => statusAt(uses, sent)));
      assert.deepEqual(statuses, [401, 401, 401]);
    }
  });

  await t.test('a name that both give at once is given once', async () => {
    for (const [index, both] of turns.entries()) {
      const answers = await Promise.all(both.map((target) => create(target, `same ${index}`)));
      assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409]);
    }
  });

  await t.test('a secret that is rotated, and the end of the one from before', async () => {
    const access = [{ resource: 'repository', action: 'pull' }];
    const permissions = [{ kind: 'project', namespace: 'team', access }];
    for (const [index, [changes, uses]] of turns.entries()) {
      const body = { name: `ci${index}`, level: 'project', duration: -1, permissions };
      const made = await ask(changes, 'POST', '/robots', { body });
      const id = createdId(made);
      const { name, secret } = json(made);
      const before = { as: `${name}:${secret}` };
      assert.equal(await statusAt(uses, before), 404);
      const rotated = await ask(changes, 'PATCH', `/robots/${id}`, {
        body: { secret: '', overlap_seconds: 600 },
      });
      const newest = { as: `${name}:${json(rotated).secret}` };
      assert.deepEqual([await statusAt(uses, before), await statusAt(uses, newest)], [404, 404]);
      assert.equal((await ask(changes, 'DELETE', `/robots/${id}/previous_secret`)).status, 200);
      assert.deepEqual([await statusAt(uses, newest), await statusAt(uses, before)], [404, 401]);
    }
  });

  await t.test('the last use, whichever has seen it', async () => {
    const { id, token } = json(await create(one, 'used'));
    assert.equal(await statusAt(other, { as: `dev:${token}` }), 404);
    const read = async () => json(await ask(one, 'GET', `/users/current/tokens/${id}`, { as: 'dev' }));
    await until('the use is shown', async () => (await read()).last_used !== null);
  });

  await t.test('preferences, of which the last ones are read everywhere', async () => {
    for (const [index, [writes, reads]] of turns.entries()) {
      const at = '/users/current/preferences';
      const body = { pins: [index] };
      assert.equal((await ask(writes, 'PUT', at, { as: 'dev', body })).status, 200);
      assert.deepEqual(json(await ask(reads, 'GET', at, { as: 'dev' })), body);
    }
  });
});
