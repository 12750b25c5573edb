import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { queryPostgres } from '../faults/postgres-of.ts';
import { startServer } from '../server.ts';
import { api, ask, createdId, createUser, faultOf, json, password, personOf } from './api-client.ts';
import { header, send } from './client.ts';
import { openLogOf } from './server-log.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);

/** Everything that the log holds, as text. */
async function wholeLog(): Promise<string> {
  let text = '';
  for await (const events of log.readAll(0n))
    text += JSON.stringify(events, (_, value) => (typeof value === 'bigint' ? String(value) : value));
  return text;
}

test('a user is created by an administrator and logs in', async () => {
  const answer = await ask(server, 'POST', '/users', { body: personOf('jane') });
  assert.equal(answer.status, 201);
  assert.equal(answer.body.length, 0);
  const location = header(answer, 'location');
  assert.match(location, /^\/api\/v2\.0\/users\/\d+$/);

  const shown = json(await ask(server, 'GET', location));
  const { creation_time, update_time, ...rest } = shown;
  assert.match(creation_time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(update_time, creation_time);
  const { password: _, ...person } = personOf('jane');
  assert.deepEqual(rest, {
    ...person,
    user_id: createdId(answer),
    sysadmin_flag: false,
    admin_role_in_auth: false,
  });
  assert.deepEqual(json(await ask(server, 'GET', '/users/current', { as: 'jane' })), shown);
  assert.equal((await send(server, 'GET', '/v2/', { as: `jane:${password}` })).status, 200);
});

test('no event shows what is personal of a user, nor the password', async () => {
  await createUser(server, 'secretive');
  const id = createdId(await ask(server, 'POST', '/users', { body: personOf('shy') }));
  const profile = { email: 'other@example.com', realname: 'Another Name', comment: 'changed' };
  assert.equal((await ask(server, 'PUT', `/users/${id}`, { body: profile })).status, 200);
  const text = await wholeLog();
  assert.match(text, /"username":"secretive"/);
  for (const secret of ['@example.com', 'The shy', 'Another Name', 'of a test', password])
    assert.equal(text.includes(secret), false, secret);
  assert.equal(json(await ask(server, 'GET', `/users/${id}`)).realname, 'Another Name');
});

test('numbers of users grow, the first user has 1, and 2 is nobody', async () => {
  const first = await createUser(server, 'first');
  const second = await createUser(server, 'second');
  assert.ok(first >= 3);
  assert.ok(second > first);
  assert.equal(json(await ask(server, 'GET', '/users/current')).user_id, 1);
  assert.equal((await ask(server, 'GET', '/users/2')).status, 404);
});

const invalid: Readonly<Record<string, object>> = {
  'no e-mail address': { email: '' },
  'an e-mail address that is none': { email: 'jane' },
  'an e-mail address with a space': { email: 'ja ne@example.com' },
  'no real name': { realname: '' },
  'a real name of 256 characters': { realname: 'x'.repeat(256) },
  'a real name with a percent sign': { realname: '100%' },
  'no user name': { username: '' },
  'a user name of 256 characters': { username: 'x'.repeat(256) },
  'a user name with a quote': { username: 'ja"ne' },
  'a user name with a NUL': { username: 'ja\0ne' },
  'a user name with half a character': { username: 'ja\ud800ne' },
  'a comment of 31 characters': { comment: 'x'.repeat(31) },
  'a password of 7 characters': { password: 'Passw0r' },
  'a password of 129 characters': { password: `Aa1${'x'.repeat(126)}` },
  'a password that is too long for the hash': { password: `Aa1${'☃'.repeat(100)}` },
  'a password without a digit': { password: 'Password-of' },
  'a password without a capital': { password: 'passw0rd-of' },
};
for (const [fault, change] of Object.entries(invalid)) {
  test(`a user with ${fault} is refused with 400`, async () => {
    const answer = await ask(server, 'POST', '/users', { body: { ...personOf('invalid'), ...change } });
    assert.deepEqual([answer.status, faultOf(answer).code], [400, 'BAD_REQUEST']);
  });
}

test('a name or an e-mail address is taken once, whatever the case of the address', async () => {
  await createUser(server, 'taken');
  for (const change of [
    { email: 'free@example.com' },
    { username: 'free' },
    { username: 'free', email: 'TAKEN@Example.com' },
  ]) {
    const answer = await ask(server, 'POST', '/users', { body: { ...personOf('taken'), ...change } });
    assert.deepEqual([answer.status, faultOf(answer).code], [409, 'CONFLICT']);
  }
  await createUser(server, 'free');
});

test('of many who create one user, or users with one address, at once, one succeeds', async () => {
  const same = await Promise.all(
    Array.from({ length: 6 }, () => ask(server, 'POST', '/users', { body: personOf('raced') })),
  );
  const alike = await Promise.all(
    Array.from({ length: 6 }, (_, n) =>
      ask(server, 'POST', '/users', { body: { ...personOf(`alike${n}`), email: 'alike@example.com' } }),
    ),
  );
  for (const answers of [same, alike])
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409, 409, 409, 409, 409]);
});

test('commas in a user name become underscores, and unknown fields mean nothing', async () => {
  const id = createdId(
    await ask(server, 'POST', '/users', {
      body: { ...personOf('with'), username: 'with,comma', sysadmin_flag: true },
    }),
  );
  const { username, sysadmin_flag } = json(await ask(server, 'GET', `/users/${id}`));
  assert.deepEqual([username, sysadmin_flag], ['with_comma', false]);
});

test('users are for administrators, and each for himself', async () => {
  const [own, other] = [await createUser(server, 'himself'), await createUser(server, 'another')];
  const requests: [string, string, unknown?][] = [
    ['GET', '/users'],
    ['POST', '/users', personOf('made')],
    ['GET', `/users/${other}`],
    ['PUT', `/users/${other}`, personOf('made')],
    ['PUT', `/users/${other}/password`, { old_password: password, new_password: `${password}2` }],
    ['PUT', `/users/${own}/sysadmin`, { sysadmin_flag: true }],
    ['DELETE', `/users/${other}`],
    ['DELETE', `/users/${own}`],
    ['GET', '/users/999999'],
  ];
  for (const [method, path, body] of requests) {
    const label = `${method} ${path}`;
    const forbidden = await ask(server, method, path, { as: 'himself', body });
    assert.deepEqual([forbidden.status, faultOf(forbidden).code], [403, 'FORBIDDEN'], label);
    for (const as of ['', 'himself:wrong']) {
      const unknown = await ask(server, method, path, { as, body });
      assert.deepEqual([unknown.status, faultOf(unknown).code], [401, 'UNAUTHORIZED'], label);
      assert.equal(unknown.headers['www-authenticate'], undefined);
    }
  }
  assert.equal((await ask(server, 'GET', `/users/${own}`, { as: 'himself' })).status, 200);
  const profile = { email: 'himself@example.org', realname: 'Himself', comment: '' };
  assert.equal((await ask(server, 'PUT', `/users/${own}`, { as: 'himself', body: profile })).status, 200);
  assert.equal(
    json(await ask(server, 'GET', '/users/current', { as: 'himself' })).email,
    'himself@example.org',
  );
  // The address that he had is free.
  const heir = { ...personOf('heir'), email: 'himself@example.com' };
  assert.equal((await ask(server, 'POST', '/users', { body: heir })).status, 201);
  const taken = await ask(server, 'PUT', `/users/${own}`, {
    body: { ...profile, email: 'himself@example.com' },
  });
  assert.deepEqual([taken.status, faultOf(taken).code], [409, 'CONFLICT']);
});

test('a user changes his password with the one that he has, an administrator without', async () => {
  const id = await createUser(server, 'changing');
  const change = (as: string | undefined, old_password: string, new_password: string) =>
    ask(server, 'PUT', `/users/${id}/password`, {
      ...(as !== undefined && { as }),
      body: { old_password, new_password },
    });
  const second = `${password}-2`;
  const third = `${password}-3`;
  assert.equal(faultOf(await change('changing', 'wrong', second)).message, 'Current password is incorrect');
  assert.equal((await change('changing', password, 'weak')).status, 400);
  assert.equal((await change('changing', password, password)).status, 400);
  assert.equal((await change('changing', password, second)).status, 200);
  assert.equal((await send(server, 'GET', '/v2/', { as: `changing:${password}` })).status, 401);
  assert.equal((await send(server, 'GET', '/v2/', { as: `changing:${second}` })).status, 200);
  assert.equal((await change(undefined, '', third)).status, 200);
  assert.equal((await send(server, 'GET', '/v2/', { as: `changing:${third}` })).status, 200);
});

test('who is made an administrator administers, until it is taken back', async () => {
  const id = await createUser(server, 'promoted');
  const set = (flag: boolean) =>
    ask(server, 'PUT', `/users/${id}/sysadmin`, { body: { sysadmin_flag: flag } });
  assert.equal((await set(true)).status, 200);
  assert.equal((await ask(server, 'GET', '/users', { as: 'promoted' })).status, 200);
  assert.equal((await set(false)).status, 200);
  assert.equal((await ask(server, 'GET', '/users', { as: 'promoted' })).status, 403);
});

test('a deleted user is gone with everything personal, and the name and address are free for another', async () => {
  const id = await createUser(server, 'leaving');
  const keys = `SELECT user_id FROM secrets.user_keys WHERE user_id = ${id}`;
  assert.equal((await queryPostgres(server.dataDirectory, 'shiplog_views', keys)).length, 1);
  assert.equal((await ask(server, 'DELETE', `/users/${id}`)).status, 200);
  // Without the key nobody can read what the events say of the person, with or without a copy of the log.
  assert.deepEqual(await queryPostgres(server.dataDirectory, 'shiplog_views', keys), []);
  assert.equal((await ask(server, 'GET', `/users/${id}`)).status, 404);
  assert.equal((await ask(server, 'DELETE', `/users/${id}`)).status, 404);
  assert.equal((await send(server, 'GET', '/v2/', { as: `leaving:${password}` })).status, 401);
  const again = await createUser(server, 'leaving');
  assert.ok(again > id);
});

test('the first administrator is not deleted, nor is who asks for it', async () => {
  assert.equal(faultOf(await ask(server, 'DELETE', '/users/1')).message, 'User with ID 1 cannot be deleted');
  const id = await createUser(server, 'suicidal');
  await ask(server, 'PUT', `/users/${id}/sysadmin`, { body: { sysadmin_flag: true } });
  assert.equal((await ask(server, 'DELETE', `/users/${id}`, { as: 'suicidal' })).status, 403);
});

test('a list of users leaves out the first, and is filtered and sorted as asked', async () => {
  for (const name of ['list-a', 'list-b', 'list-c']) await createUser(server, name);
  const names = async (query: string) =>
    json(await ask(server, 'GET', `/users?page_size=100&${query}`)).map(
      ({ username }: { username: string }) => username,
    );
  assert.equal((await names('')).includes('admin'), false);
  assert.deepEqual(await names('q=username=~LIST-'), ['list-a', 'list-b', 'list-c']);
  assert.deepEqual(await names('username=list-&sort=-username'), ['list-c', 'list-b', 'list-a']);
  assert.deepEqual(await names('q=username=list-b'), ['list-b']);
  assert.deepEqual(await names(`q=${encodeURIComponent('username={list-a list-c}')}`), ['list-a', 'list-c']);
  assert.deepEqual(await names('email=list-b@example.com'), ['list-b']);
  assert.deepEqual(await names(`q=${encodeURIComponent('Email=~LIST-C@example.com')}`), ['list-c']);
  const [{ email, realname }] = json(await ask(server, 'GET', '/users?q=username=list-a'));
  assert.deepEqual([email, realname], ['list-a@example.com', 'The list-a']);
});

test('anybody who is logged in finds users by a part of the name, the shortest first', async () => {
  for (const name of ['find-long-name', 'find-me']) await createUser(server, name);
  const answer = await ask(server, 'GET', '/users/search?username=find-', { as: 'find-me' });
  assert.deepEqual(
    json(answer).map(({ username }: { username: string }) => username),
    ['find-me', 'find-long-name'],
  );
  assert.equal((await ask(server, 'GET', '/users/search?username=find-', { as: '' })).status, 401);
  assert.equal((await ask(server, 'GET', '/users/search')).status, 422);
});

test('users survive a restart with what they were', async () => {
  const id = await createUser(server, 'lasting');
  const before = json(await ask(server, 'GET', `/users/${id}`));
  await server.stop();
  await server.start();
  assert.deepEqual(json(await ask(server, 'GET', `/users/${id}`)), before);
  const verified = await server.run('verify');
  assert.equal(verified.code, 0, verified.output);
});

test('a path that names no number is refused with 422', async () => {
  for (const path of ['/users/abc', '/users/1.5', '/users/1%2F2'])
    assert.equal((await ask(server, 'GET', path)).status, 422, `${api}${path}`);
  assert.equal((await ask(server, 'GET', '/users/99999999999')).status, 404);
});
