import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { queryPostgres } from '../faults/postgres-of.ts';
import { startServer } from '../server.ts';
import { ask, createdId, createUser, faultOf, json, password, personOf } from './api-client.ts';
import { type Browser, cookiesIn, loggedIn, openBrowser } from './browser.ts';
import { type Answer, send } from './client.ts';
import { openLogOf } from './server-log.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);

async function configure(items: object): Promise<void> {
  assert.equal((await ask(server, 'PUT', '/configurations', { body: items })).status, 200);
}

/** A browser in which nobody has logged in, as a page for new users leaves it. */
async function stranger(): Promise<Browser> {
  const browser = openBrowser(server);
  await browser.send('GET', '/');
  const answer = await browser.send('POST', '/c/userExists', { body: 'target=username&value=x' });
  assert.equal(answer.status, 200, answer.body.toString());
  return browser;
}

const refused = (answer: Answer) => [answer.status, faultOf(answer).code, faultOf(answer).message];
const viaApi = [403, 'FORBIDDEN', 'self-registration cannot be triggered via API'];

await configure({ self_registration: true });
await createUser(server, 'member');

test('who has no account makes one in a browser, and logs in with it', async () => {
  const browser = await stranger();
  const answer = await browser.ask('POST', '/users', personOf('newcomer'));
  const id = createdId(answer);
  assert.equal((await browser.ask('GET', '/users/current')).status, 401, 'it is no login');
  assert.equal((await browser.logIn('newcomer')).status, 200);
  const { user_id, sysadmin_flag, email } = json(await browser.ask('GET', '/users/current'));
  assert.deepEqual([user_id, sysadmin_flag, email], [id, false, 'newcomer@example.com']);

  const actors: unknown[] = [];
  for await (const events of log.readAll(0n))
    for (const event of events)
      if (event.stream === 'user/newcomer') actors.push([event.type, event.metadata.actor]);
  assert.deepEqual(actors, [['UserCreated', 'anonymous']]);
});

test('the session of a stranger has an id like any other and is kept nowhere', async () => {
  const rows = 'SELECT count(*)::int AS number FROM sessions.open_sessions';
  const [before] = await queryPostgres(server.dataDirectory, 'shiplog_views', rows);
  const browser = openBrowser(server);
  await browser.send('GET', '/');
  assert.equal(browser.cookies.has('sid'), false);
  const answer = await browser.send('POST', '/c/userExists', { body: 'target=email&value=x@example.com' });
  const cookie = cookiesIn(answer).find(({ name }) => name === 'sid');
  assert.match(cookie?.value ?? '', /^[A-Za-z0-9_-]{43}$/);
  assert.deepEqual(cookie?.attributes, ['Path=/', 'HttpOnly', 'SameSite=Lax']);
  const again = await browser.send('POST', '/c/userExists', { body: 'target=username&value=x' });
  assert.equal(
    cookiesIn(again).some(({ name }) => name === 'sid'),
    false,
    'it stays the same',
  );
  assert.deepEqual(await queryPostgres(server.dataDirectory, 'shiplog_views', rows), [before]);
});

test('nobody registers by a program, with or without a login', async () => {
  for (const as of ['', 'member', 'member:wrong'])
    assert.deepEqual(
      refused(await ask(server, 'POST', '/users', { as, body: personOf('scripted') })),
      viaApi,
    );
  assert.equal(createdId(await ask(server, 'POST', '/users', { body: personOf('by-admin') })) > 2, true);
});

test('a browser registers with the token against forgery alone, and with an id that could be one', async () => {
  const browser = await stranger();
  const forged = await browser.ask('POST', '/users', personOf('forged'), { 'x-harbor-csrf-token': '' });
  assert.deepEqual(refused(forged), [403, 'FORBIDDEN', 'CSRF token invalid']);
  for (const sid of ['', 'x', 'A'.repeat(44)]) {
    browser.cookies.set('sid', sid);
    assert.deepEqual(refused(await browser.ask('POST', '/users', personOf('forged'))), viaApi, sid);
  }
  assert.equal(json(await ask(server, 'GET', '/users?username=forged')).length, 0);
});

test('who has logged in makes no users, unless he may', async () => {
  const member = await loggedIn(server, 'member');
  assert.deepEqual(refused(await member.ask('POST', '/users', personOf('second'))), [
    403,
    'FORBIDDEN',
    'forbidden',
  ]);
  const admin = await loggedIn(server, 'admin', server.password);
  assert.equal((await admin.ask('POST', '/users', personOf('second'))).status, 201);
});

test('nobody makes himself more than a user', async () => {
  const browser = await stranger();
  const body = {
    ...personOf('climber'),
    sysadmin_flag: true,
    administrator: true,
    user_id: 1,
    admin_role_in_auth: true,
  };
  const id = createdId(await browser.ask('POST', '/users', body));
  assert.notEqual(id, 1);
  assert.equal(json(await ask(server, 'GET', `/users/${id}`)).sysadmin_flag, false);
});

const invalid: readonly (readonly [message: string, change: object])[] = [
  ['the password or secret must be 8-128', { password: 'weak', email: '', realname: '', username: '' }],
  ["email can't be empty", { email: '', realname: '', username: '' }],
  ['email with illegal format', { email: 'x', realname: '', username: '' }],
  ['realname with illegal length', { realname: '', username: '' }],
  ['realname contains illegal characters', { realname: 'a~b', username: '' }],
  ['comment with illegal length', { comment: 'x'.repeat(31), username: '' }],
  ['username with illegal length', { username: '' }],
  ['username contains illegal characters', { username: 'a"b' }],
  ['username contains illegal characters', { username: 'a:b' }],
  ['username is the email address of somebody else', { username: 'victim@example.com' }],
];
for (const [message, change] of invalid) {
  test(`what is wrong with a new user is said in Harbor's order: ${message}`, async () => {
    const answer = await (await stranger()).ask('POST', '/users', { ...personOf('faulty'), ...change });
    assert.deepEqual([answer.status, faultOf(answer).code], [400, 'BAD_REQUEST']);
    assert.equal(faultOf(answer).message.startsWith(message), true, faultOf(answer).message);
  });
}

test('bodies that are none are refused as everywhere', async () => {
  const browser = await stranger();
  const post = (body: string) =>
    browser.send('POST', '/api/v2.0/users', { body, headers: { 'content-type': 'application/json' } });
  for (const body of ['', '[]', '"x"', '{', '{"username":1}', '{"password":{}}'])
    assert.equal((await post(body)).status, 422, body);
  // As Harbor, for which it is an empty object.
  assert.equal((await post('null')).status, 400);
  assert.equal((await post(JSON.stringify({ username: 'x'.repeat(2 ** 21) }))).status, 413);
});

test('one may be called like the own address, and nobody can be called like that of another', async () => {
  const browser = await stranger();
  const own = { ...personOf('x'), username: 'own@example.com', email: 'own@example.com' };
  assert.equal((await browser.ask('POST', '/users', own)).status, 201);
  assert.equal((await browser.logIn('own@example.com')).status, 200);
  const taken = { ...personOf('x'), username: 'member@example.com', email: 'member@example.com' };
  assert.equal((await (await stranger()).ask('POST', '/users', taken)).status, 409);
});

test('of many who register under one name at once one succeeds', async () => {
  const browsers = await Promise.all(Array.from({ length: 6 }, stranger));
  const answers = await Promise.all(
    browsers.map((browser) => browser.ask('POST', '/users', personOf('raced'))),
  );
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409, 409, 409, 409, 409]);
});

test('whether a name is taken is told to who may register', async () => {
  const browser = await stranger();
  const exists = async (target: string, value: string) =>
    json(await browser.send('POST', '/c/userExists', { body: `target=${target}&value=${value}` }));
  assert.deepEqual(
    [
      await exists('username', 'member'),
      await exists('username', 'nobody'),
      await exists('email', 'MEMBER@example.com'),
    ],
    [true, false, true],
  );
});

test('where nobody registers himself a stranger is told to log in, and a user that he may not', async () => {
  const browser = await stranger();
  await configure({ self_registration: false });
  try {
    assert.equal((await browser.ask('POST', '/users', personOf('late'))).status, 401);
    assert.equal((await ask(server, 'POST', '/users', { as: '', body: personOf('late') })).status, 401);
    const member = await loggedIn(server, 'member');
    for (const answer of [
      await member.ask('POST', '/users', personOf('late')),
      await ask(server, 'POST', '/users', { as: 'member', body: personOf('late') }),
    ])
      assert.deepEqual([answer.status, faultOf(answer).code], [403, 'FORBIDDEN']);
    assert.equal(
      (await browser.send('POST', '/c/userExists', { body: 'target=username&value=x' })).status,
      412,
    );
  } finally {
    await configure({ self_registration: true });
  }
});

test('another session timeout counts at once, for sessions that are open as well', async () => {
  const id = await createUser(server, 'timed');
  const browser = await loggedIn(server, 'timed');
  const status = async () => (await browser.ask('GET', '/users/current')).status;
  const age = (minutes: number) =>
    queryPostgres(
      server.dataDirectory,
      'shiplog_views',
      `UPDATE sessions.open_sessions SET last_used_at = now() - interval '${minutes} minutes' WHERE user_id = ${id}`,
    );
  await age(10);
  await configure({ session_timeout: 5 });
  assert.equal(await status(), 401);
  await configure({ session_timeout: 9_999_999_999 });
  assert.equal(await status(), 200);
  await browser.logIn('timed');
  assert.equal(await status(), 200);
  const [{ expiration_time }] = json(await browser.ask('GET', '/users/current/sessions'));
  assert.ok(Date.parse(expiration_time) - Date.now() <= 365 * 86_400_000);
  await configure({ session_timeout: 60 });
});

test('while nothing may be changed people log in and out, and end what was stolen', async () => {
  await configure({ read_only: true });
  try {
    const [browser, stolen] = [await loggedIn(server, 'member'), await loggedIn(server, 'member')];
    assert.equal((await (await stranger()).ask('POST', '/users', personOf('late'))).status, 403);
    assert.equal((await browser.ask('DELETE', '/users/current/sessions')).status, 200);
    assert.equal((await stolen.ask('GET', '/users/current')).status, 401);
    assert.equal((await send(server, 'GET', '/c/log_out', { as: '' })).status, 200);
  } finally {
    await configure({ read_only: false });
  }
});

test('the secret for the command line is for users of an OIDC provider', async () => {
  const id = createdId(await ask(server, 'POST', '/users', { body: personOf('cli') }));
  const body = { secret: password };
  for (const as of ['cli', undefined])
    assert.deepEqual(
      [
        (await ask(server, 'PUT', `/users/${id}/cli_secret`, { ...(as && { as }), body })).status,
        (await ask(server, 'PUT', `/users/${id}/cli_secret`, { as: 'member', body })).status,
      ],
      [412, 403],
    );
});
