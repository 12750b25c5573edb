import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateways } from '../gateways.ts';
import { rowsIn } from '../http/all-texts.ts';
import { addMember, ask, createProject, createUser, json, password } from '../http/api-client.ts';
import { send } from '../http/client.ts';
import { until } from '../until.ts';

test('a deletion that is an erasure reaches both of two gateways that are busy with the name, and is finished although each is killed in it', async (t) => {
  const { one, other, connection } = await startGateways(t, { SHIPLOG_GDPR_DELETE_USER: 'true' });
  const name = 'ada-of-lovelace';
  const userId = await createUser(one, name);
  await createProject(one, 'team');
  await addMember(one, 'team', name, 'projectAdmin');

  // Both know the name by heart, and go on saying it.
  let isOver = false;
  const saying = [one, other].map(async (gateway) => {
    while (!isOver) {
      // Some of it comes while a gateway is down, and must not end the test.
      await send(gateway, 'GET', '/v2/', { as: `${name}:${password}` }).catch(() => undefined);
      const body = JSON.stringify({ username: name, password: 'x' });
      const headers = { 'content-type': 'application/json' };
      await send(gateway, 'POST', '/api/v2.0/users', { body, headers }).catch(() => undefined);
      await sleep(100);
    }
  });
  try {
    await until('the name is told', async () => (await rowsIn(connection, name)).length > 0);
    assert.equal((await ask(one, 'DELETE', `/users/${userId}`)).status, 200);
    await one.stop('SIGKILL');
    await other.stop('SIGKILL');
    await Promise.all([one.start(), other.start()]);
    // Once more in the middle of the work.
    await one.stop('SIGKILL');
    await one.start();
    await until(
      'the user is erased',
      async () => json(await ask(other, 'GET', `/users/${userId}/erasure`)).status === 'Success',
      90_000,
    );
    assert.deepEqual(await rowsIn(connection, name), []);
  } finally {
    isOver = true;
    await Promise.all(saying);
  }
  // Nor does it come back with what was under way.
  await one.stop();
  await other.stop();
  assert.deepEqual(await rowsIn(connection, name), []);
  await one.start();
  const told = await ask(one, 'GET', `/auditlog-exts?page_size=100&q=username=erased-${userId}`);
  assert.ok(json(told).length > 0);
});
