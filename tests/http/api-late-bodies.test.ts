import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startServer } from '../server.ts';
import { addMember, ask, createdId, createProject, createUser, json, password } from './api-client.ts';
import { refusalOf, send } from './client.ts';

const server = await startServer({ after });

/** Sends the body only when `meanwhile` is done, some time after the server has seen who asks. */
function late(method: string, path: string, as: string, body: object, meanwhile: () => Promise<unknown>) {
  const bytes = Buffer.from(JSON.stringify(body));
  async function* slowly() {
    yield bytes.subarray(0, 1);
    // There is nothing to see of a request that is being read.
    await sleep(300);
    await meanwhile();
    yield bytes.subarray(1);
  }
  return send(server, method, `/api/v2.0${path}`, {
    as: `${as}:${password}`,
    body: slowly(),
    headers: { 'content-type': 'application/json' },
  });
}

test('who is no administrator any more when his body is there administers nothing with it', async () => {
  const id = await createUser(server, 'former');
  const rights = (sysadmin_flag: boolean) =>
    ask(server, 'PUT', `/users/${id}/sysadmin`, { body: { sysadmin_flag } });
  assert.equal((await rights(true)).status, 200);
  const answer = await late('PUT', `/users/${id}/sysadmin`, 'former', { sysadmin_flag: true }, () =>
    rights(false),
  );
  assert.deepEqual(refusalOf(answer), [403, 'FORBIDDEN']);
  assert.equal(json(await ask(server, 'GET', `/users/${id}`)).sysadmin_flag, false);
});

test('who is no member any more when his body is there changes nothing in the project', async () => {
  await createUser(server, 'leader');
  await createUser(server, 'friend');
  await createProject(server, 'team');
  const memberId = await addMember(server, 'team', 'leader', 'projectAdmin');
  const added = { role_id: 1, member_user: { username: 'friend' } };
  const answer = await late('POST', '/projects/team/members', 'leader', added, () =>
    ask(server, 'DELETE', `/projects/team/members/${memberId}`),
  );
  assert.deepEqual(refusalOf(answer), [403, 'FORBIDDEN']);
  assert.equal((await ask(server, 'GET', '/projects/team/members')).headers['x-total-count'], '1');
});

test('a body that was meant for a project does nothing to the next one of its name', async () => {
  await createProject(server, 'again');
  const answer = await late(
    'PUT',
    '/projects/again',
    'admin',
    { metadata: { public: 'true' } },
    async () => undefined,
  ).then((refused) => {
    // The password of the tests is not the administrator's.
    assert.equal(refused.status, 401);
    return send(server, 'PUT', '/api/v2.0/projects/again', {
      headers: { 'content-type': 'application/json' },
      body: (async function* () {
        yield Buffer.from('{"metadata":');
        await sleep(300);
        await ask(server, 'DELETE', '/projects/again');
        await createProject(server, 'again');
        yield Buffer.from('{"public":"true"}}');
      })(),
    });
  });
  assert.deepEqual(refusalOf(answer), [404, 'NOT_FOUND']);
  assert.equal(json(await ask(server, 'GET', '/projects/again')).metadata.public, 'false');
});

test('who has shown an old password does not undo that it was changed meanwhile', async () => {
  const id = await createUser(server, 'changing');
  const own = (old_password: string, new_password: string) =>
    ask(server, 'PUT', `/users/${id}/password`, { as: 'changing', body: { old_password, new_password } });
  const others = Array.from({ length: 4 }, (_, n) => own(password, `Changed-by-him-${n}`));
  const reset = ask(server, 'PUT', `/users/${id}/password`, { body: { new_password: 'Reset-by-admin-1' } });
  const statuses = (await Promise.all([...others, reset])).map(({ status }) => status);
  assert.ok(statuses.slice(0, 4).filter((status) => status === 200).length <= 1, String(statuses));
  assert.ok(
    statuses.every((status) => [200, 401, 403, 409].includes(status)),
    String(statuses),
  );
});

test('a body with more values than anything needs is refused before any of them is judged', async () => {
  for (const permissions of [Array(60_000).fill(1), Array(60_000).fill([])])
    assert.deepEqual(
      refusalOf(
        await ask(server, 'POST', '/robots', {
          body: { name: 'r', level: 'system', duration: 1, permissions },
        }),
      ),
      [422, 'UNPROCESSABLE_ENTITY'],
    );
  const many = await ask(server, 'POST', '/robots', { body: { permissions: Array(40_000).fill(1) } });
  assert.equal(many.status, 422);
  assert.ok(many.body.length < 10_000, 'and names few of many faults');
});

test('a filter by what every object has is one that no row fits', async () => {
  for (const value of ['constructor', '__proto__', 'toString']) {
    const answer = await ask(server, 'GET', `/projects?q=public=${value}`, { as: '' });
    assert.deepEqual([answer.status, json(answer)], [200, []]);
  }
});

test('an access token gives no robot the right to set passwords and make administrators', async () => {
  const id = await createUser(server, 'owner');
  await ask(server, 'PUT', `/users/${id}/sysadmin`, { body: { sysadmin_flag: true } });
  const access = [
    { resource: 'user', action: 'update' },
    { resource: 'user', action: 'list' },
    { resource: 'robot', action: 'create' },
  ];
  for (const permissions of [undefined, [{ kind: 'system', namespace: '/', access }]]) {
    const made = await ask(server, 'POST', '/users/current/tokens', {
      as: 'owner',
      body: { name: `t${permissions === undefined}`, duration: 1, ...(permissions && { permissions }) },
    });
    createdId(made);
    const robot = (action: string) =>
      ask(server, 'POST', '/robots', {
        as: `owner:${json(made).secret ?? json(made).token}`,
        body: {
          name: `r-${action}-${permissions === undefined}`,
          level: 'system',
          duration: 1,
          permissions: [{ kind: 'system', namespace: '/', access: [{ resource: 'user', action }] }],
        },
      });
    assert.equal((await robot('list')).status, 201);
    assert.deepEqual(refusalOf(await robot('update')), [403, 'DENIED']);
  }
});
