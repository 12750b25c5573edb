import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { queryPostgres } from '../faults/postgres-of.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { ask, createUser, faultOf, json, password } from './api-client.ts';
import { type Browser, cookiesIn, formOf, loggedIn, openBrowser } from './browser.ts';
import { refusalOf, send } from './client.ts';
import { peopleOf } from './people.ts';
import { openLogOf, type PlainEvent } from './server-log.ts';
import { askToken, bearer } from './token-client.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);
const people = await peopleOf({ after }, server);

const query = (statement: string) => queryPostgres(server.dataDirectory, 'shiplog_views', statement);
/** Lets time pass for the sessions of a user. */
const age = (userId: number, minutes: number) =>
  query(`UPDATE sessions.open_sessions
    SET created_at = created_at - interval '${minutes} minutes',
      last_used_at = last_used_at - interval '${minutes} minutes' WHERE user_id = ${userId}`);
const sessionsOf = (userId: number) =>
  query(`SELECT * FROM sessions.open_sessions WHERE user_id = ${userId} ORDER BY created_at`);

async function loginEventsOf(username: string): Promise<PlainEvent[]> {
  const found: PlainEvent[] = [];
  for await (const events of log.readAll(0n))
    for (const event of events) if (event.stream.startsWith('logins/')) found.push(event as PlainEvent);
  return found.filter(({ data }) => data.username === username);
}

const nameIn = async (browser: Browser): Promise<string | number> => {
  const answer = await browser.ask('GET', '/users/current');
  return answer.status === 200 ? json(answer).username : answer.status;
};

test('who logs in gets a session in a cookie that no script sees, and whose id is kept nowhere', async () => {
  const id = await createUser(server, 'jane');
  const browser = openBrowser(server, { 'user-agent': 'A Browser/1.0' });
  const answer = await browser.logIn('jane');
  assert.deepEqual([answer.status, answer.body.length], [200, 0]);
  assert.equal(answer.headers['cache-control'], 'no-store');
  const [, cookie] = cookiesIn(answer);
  assert.equal(cookie?.name, 'sid');
  assert.match(cookie?.value ?? '', /^[A-Za-z0-9_-]{43}$/);
  assert.deepEqual(cookie?.attributes, ['Path=/', 'HttpOnly', 'SameSite=Lax']);
  assert.equal(await nameIn(browser), 'jane');

  const rows = await sessionsOf(id);
  assert.equal(rows.length, 1);
  assert.deepEqual([rows[0]?.address, rows[0]?.user_agent], ['127.0.0.1', 'A Browser/1.0']);
  assert.equal(JSON.stringify(rows).includes(cookie?.value ?? ''), false);
  for await (const events of log.readAll(0n))
    for (const event of events) assert.equal(JSON.stringify(event.data).includes(cookie?.value ?? ''), false);
  assert.equal(JSON.stringify(server.lines).includes(cookie?.value ?? ''), false);
});

test('a user logs in with the address as well, and everything that a session does is done in his name', async () => {
  const id = await createUser(server, 'mailed');
  const browser = await loggedIn(server, 'Mailed@Example.com');
  const profile = { email: 'mailed@example.com', realname: 'By Mail', comment: '' };
  assert.equal((await browser.ask('PUT', `/users/${id}`, profile)).status, 200);
  assert.equal((await browser.ask('POST', '/projects', { project_name: 'by-session' })).status, 201);
  assert.equal((await browser.ask('GET', '/users')).status, 403);
  const actors: unknown[] = [];
  for await (const events of log.readAll(0n))
    for (const event of events) if (event.stream === 'project/by-session') actors.push(event.metadata.actor);
  assert.deepEqual([...new Set(actors)], ['user:mailed']);
});

test('a wrong name or password opens nothing, and who may not log in with a browser is told the same', async () => {
  await createUser(server, 'guessed');
  await people.robot('ci', 'S3cretOfIt', []);
  const browser = openBrowser(server);
  for (const [name, shown] of [
    ['guessed', 'wrong'],
    ['guessed', ''],
    ['nobody', password],
    ['', ''],
    ['', password],
    ['nu\0l', password],
    ['robot$ci', 'S3cretOfIt'],
    ['x'.repeat(10_000), password],
  ] as const) {
    const answer = await browser.logIn(name, shown);
    assert.deepEqual(refusalOf(answer), [401, 'UNAUTHORIZED'], name);
    assert.equal(answer.headers['www-authenticate'], undefined);
    assert.equal(browser.cookies.has('sid'), false);
  }
  for (const body of [
    '',
    'principal=guessed',
    `password=${password}`,
    '{"principal":"guessed"}',
    '%zz=%zz&&=;',
  ])
    assert.equal((await browser.send('POST', '/c/login', { body })).status, 401, body);
  assert.equal((await browser.send('POST', '/c/login', { body: 'x'.repeat(100_000) })).status, 413);
});

test('each login and logout is an event, and a failed one too', async () => {
  await createUser(server, 'recorded');
  const browser = await loggedIn(server, 'recorded');
  await browser.logIn('recorded');
  await browser.logIn('recorded', 'wrong');
  await browser.send('GET', '/c/log_out');
  // Nobody is logged in any more.
  await browser.send('GET', '/c/log_out');
  await until('all are recorded', async () => (await loginEventsOf('recorded')).length >= 4);
  const events = await loginEventsOf('recorded');
  assert.deepEqual(
    events.map(({ type, metadata }) => [type, metadata.actor, metadata.clientIp]),
    [
      ['LoginSucceeded', 'user:recorded', '127.0.0.1'],
      ['LoginSucceeded', 'user:recorded', '127.0.0.1'],
      ['LoginFailed', 'anonymous', '127.0.0.1'],
      ['LoggedOut', 'user:recorded', '127.0.0.1'],
    ],
  );
});

test('who guesses passwords in the form is slowed down as everywhere, and counted together with it', async () => {
  await createUser(server, 'attacked');
  const browser = openBrowser(server);
  await browser.send('GET', '/');
  const guesses = await Promise.all(
    Array.from({ length: 30 }, (_, n) =>
      n % 2 === 0
        ? browser.send('POST', '/c/login', { body: formOf('attacked', `guess${n}`) })
        : send(server, 'GET', '/v2/', { as: `attacked:guess${n}` }),
    ),
  );
  const refused = guesses.filter(({ status }) => status === 429);
  assert.ok(refused.length >= 5, `${refused.length} were refused`);
  for (const answer of refused) assert.match(answer.headers['retry-after'] ?? '', /^\d+$/);
});

test('an id that somebody knew before the login is not that of the session', async () => {
  await createUser(server, 'fixated');
  const planted = randomBytes(32).toString('base64url');
  const browser = openBrowser(server);
  browser.cookies.set('sid', planted);
  await browser.logIn('fixated');
  assert.notEqual(browser.cookies.get('sid'), planted);
  const attacker = openBrowser(server);
  attacker.cookies.set('sid', planted);
  assert.equal(await nameIn(attacker), 401);

  // Neither is one that was a session, of whomever.
  await createUser(server, 'planter');
  const own = await loggedIn(server, 'planter');
  browser.cookies.set('sid', own.cookies.get('sid') ?? '');
  await browser.logIn('fixated');
  assert.equal(await nameIn(browser), 'fixated');
  assert.equal(await nameIn(own), 401);
});

test('who logs out is logged out, and what is left of the cookie opens nothing', async () => {
  const id = await createUser(server, 'leaving');
  const browser = await loggedIn(server, 'leaving');
  const sid = browser.cookies.get('sid') ?? '';
  const answer = await browser.send('GET', '/c/log_out/');
  assert.equal(answer.status, 200);
  assert.equal(browser.cookies.has('sid'), false);
  browser.cookies.set('sid', sid);
  assert.equal(await nameIn(browser), 401);
  assert.deepEqual(await sessionsOf(id), []);
});

test('credentials come before the session, and wrong ones do not hide it', async () => {
  await createUser(server, 'ordered');
  await createUser(server, 'other');
  const browser = await loggedIn(server, 'ordered');
  const as = (authorization: string) =>
    browser.ask('GET', '/users/current', undefined, authorization === '' ? {} : { authorization });
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  assert.equal(json(await as(basic(`other:${password}`))).username, 'other');
  const { token } = await askToken(server, { as: `other:${password}` });
  for (const useless of [
    '',
    basic('other:wrong'),
    basic('nobody'),
    'Basic !',
    `Bearer ${token}`,
    'Bearer x',
    'X',
  ])
    assert.equal(json(await as(useless)).username, 'ordered', useless);
});

test('a session gets tokens for the registry, and is nobody below /v2 itself', async () => {
  const user = await people.user('pulling', password);
  const project = await people.privateProject('session-private');
  await people.member(project, user, 'developer');
  const browser = await loggedIn(server, 'pulling');
  const scope = 'repository:session-private/app:pull,push';
  const answer = await browser.send('GET', `/service/token?service=harbor-registry&scope=${scope}`);
  assert.equal(answer.status, 200);
  const { token } = json(answer);
  assert.notEqual(
    (await send(server, 'GET', '/v2/session-private/app/tags/list', bearer(token))).status,
    401,
  );

  for (const path of ['/v2/', '/v2/session-private/app/tags/list', '/v2/_catalog'])
    assert.equal((await browser.send('GET', path)).status, 401, path);
  const push = await browser.send('POST', '/v2/session-private/app/blobs/uploads/', { body: '' });
  assert.equal(push.status, 401);
});

test('a change of the password ends the other sessions at once, and gives the own another id', async () => {
  const id = await createUser(server, 'changing');
  const [one, other] = [await loggedIn(server, 'changing'), await loggedIn(server, 'changing')];
  const before = one.cookies.get('sid');
  const change = (old_password: string, new_password: string) =>
    one.ask('PUT', `/users/${id}/password`, { old_password, new_password });

  assert.equal((await change('wrong', `${password}-2`)).status, 403);
  assert.equal(await nameIn(other), 'changing', 'an attempt changes nothing');
  assert.equal((await change(password, `${password}-2`)).status, 200);
  assert.equal(await nameIn(other), 401);
  assert.equal(await nameIn(one), 'changing');
  assert.notEqual(one.cookies.get('sid'), before);
  const stolen = openBrowser(server);
  stolen.cookies.set('sid', before ?? '');
  assert.equal(await nameIn(stolen), 401);
  assert.equal((await sessionsOf(id)).length, 1);

  // By an administrator for him.
  const body = { old_password: '', new_password: `${password}-3` };
  assert.equal((await ask(server, 'PUT', `/users/${id}/password`, { body })).status, 200);
  assert.equal(await nameIn(one), 401);
  assert.deepEqual(await sessionsOf(id), []);
});

test('who has found an open session guesses the password no faster than others', async () => {
  const id = await createUser(server, 'found');
  const browser = await loggedIn(server, 'found');
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, n) =>
      browser.ask('PUT', `/users/${id}/password`, {
        old_password: `guess${n}`,
        new_password: `${password}-2`,
      }),
    ),
  );
  assert.ok(answers.filter(({ status }) => status === 429).length >= 5);
});

test('a deleted user has no session any more, and neither has who gets the name after him', async () => {
  const id = await createUser(server, 'deleted');
  const browser = await loggedIn(server, 'deleted');
  assert.equal((await ask(server, 'DELETE', `/users/${id}`)).status, 200);
  assert.equal(await nameIn(browser), 401);
  assert.deepEqual(await sessionsOf(id), [], 'nothing of the person is left');
  await createUser(server, 'deleted');
  assert.equal(await nameIn(browser), 401);
});

test('who is made an administrator, or is no longer one, is so in the sessions that he has', async () => {
  const id = await createUser(server, 'promoted');
  const browser = await loggedIn(server, 'promoted');
  const set = (sysadmin_flag: boolean) =>
    ask(server, 'PUT', `/users/${id}/sysadmin`, { body: { sysadmin_flag } });
  for (const [flag, status] of [
    [true, 200],
    [false, 403],
  ] as const) {
    await set(flag);
    assert.equal((await browser.ask('GET', '/users')).status, status);
  }
});

const hostile: Readonly<Record<string, string>> = {
  'nothing in it': 'sid=',
  'no equals sign': 'sid',
  'an id that is none': `sid=${'A'.repeat(42)}`,
  'an id that nobody has': `sid=${'A'.repeat(43)}`,
  'an id that is too long': `sid=${'A'.repeat(4000)}`,
  quotes: `sid="${'A'.repeat(43)}"`,
  'what a database would not take': `sid=a'||1; DROP TABLE sessions; --`,
  'bytes that are no text': 'sid=\xff\xfe\xc0\x80',
  'what is encoded': 'sid=%00%41',
  'thousands of parts': ';'.repeat(8000),
  'thousands of sessions': Array.from({ length: 300 }, (_, n) => `sid=${n}`).join('; '),
};
for (const [what, cookie] of Object.entries(hostile)) {
  test(`a cookie with ${what} makes nobody of the caller`, async () => {
    const headers = { cookie };
    for (const path of ['/api/v2.0/users/current', '/v2/'])
      assert.equal((await send(server, 'GET', path, { as: '', headers })).status, 401, path);
    assert.equal((await send(server, 'GET', '/api/v2.0/systeminfo', { as: '', headers })).status, 200);
    assert.equal((await send(server, 'GET', '/c/log_out', { as: '', headers })).status, 200);
  });
}

test('of two different sessions in one request none counts, since one was planted', async () => {
  await createUser(server, 'victim');
  await createUser(server, 'planting');
  const [victim, planting] = [await loggedIn(server, 'victim'), await loggedIn(server, 'planting')];
  const [own, planted] = [victim.cookies.get('sid'), planting.cookies.get('sid')];
  const statusOf = async (cookie: string) =>
    (await send(server, 'GET', '/api/v2.0/users/current', { as: '', headers: { cookie } })).status;
  assert.equal(await statusOf(`sid=${planted}; sid=${own}`), 401);
  assert.equal(await statusOf(`sid=${own};x=y;sid=${planted}`), 401);
  assert.equal(await statusOf(`sid=${own}; sid=${own}`), 200);
  assert.equal(await statusOf(`a=sid;sid=${own}`), 200);
});

test('a session ends when it is not used for long, and lasts while it is', async () => {
  const id = await createUser(server, 'idle');
  const browser = await loggedIn(server, 'idle');
  for (let times = 0; times < 3; times += 1) {
    await age(id, 59);
    assert.equal(await nameIn(browser), 'idle');
  }
  await age(id, 61);
  assert.equal(await nameIn(browser), 401);
  assert.deepEqual(json(await ask(server, 'GET', '/users/current/sessions', { as: 'idle' })), []);
});

test('a session ends after a week however often it is used', async () => {
  const id = await createUser(server, 'lasting');
  const browser = await loggedIn(server, 'lasting');
  const backdate = (days: number) =>
    query(
      `UPDATE sessions.open_sessions SET created_at = now() - interval '${days} days' WHERE user_id = ${id}`,
    );
  await backdate(6.9);
  assert.equal(await nameIn(browser), 'lasting');
  await backdate(7.1);
  assert.equal(await nameIn(browser), 401);
});

test('use is written once a minute, with where it came from, and not for what only watches', async () => {
  const id = await createUser(server, 'watching');
  const browser = await loggedIn(server, 'watching', password, { 'user-agent': 'One/1' });
  const lastUse = async () => (await sessionsOf(id))[0];
  const first = (await lastUse())?.last_used_at;
  for (let times = 0; times < 5; times += 1) await nameIn(browser);
  assert.deepEqual((await lastUse())?.last_used_at, first);

  await age(id, 2);
  const before = await lastUse();
  await browser.ask('GET', '/users/current', undefined, { 'x-harbor-no-session-renewal': '1' });
  assert.deepEqual(await lastUse(), before);
  await browser.ask('GET', '/users/current', undefined, { 'user-agent': 'Two/2' });
  const after = await lastUse();
  assert.ok((after?.last_used_at as Date) > (before?.last_used_at as Date));
  assert.ok((after?.expires_at as Date) > (before?.expires_at as Date));
  assert.equal(after?.user_agent, 'Two/2');
});

test('a user sees his open sessions, and which one it is that he asks with', async () => {
  await createUser(server, 'listing');
  const first = await loggedIn(server, 'listing', password, { 'user-agent': 'First/1' });
  const second = await loggedIn(server, 'listing', password, { 'user-agent': 'Second/2' });
  const [newest, oldest, ...more] = json(await second.ask('GET', '/users/current/sessions'));
  assert.deepEqual(more, []);
  assert.deepEqual(
    [newest.user_agent, newest.address, newest.current, oldest.user_agent, oldest.current],
    ['Second/2', '127.0.0.1', true, 'First/1', false],
  );
  for (const session of [newest, oldest]) {
    assert.deepEqual(Object.keys(session).toSorted(), [
      'address',
      'creation_time',
      'current',
      'expiration_time',
      'id',
      'last_use_time',
      'user_agent',
    ]);
    assert.ok(Date.parse(session.expiration_time) > Date.parse(session.last_use_time) + 3_500_000);
    assert.notEqual(session.id, first.cookies.get('sid'));
  }
  // With a password there is none that is current, and the id of the list is that of no cookie.
  const byPassword = json(await ask(server, 'GET', '/users/current/sessions', { as: 'listing' }));
  assert.deepEqual(
    byPassword.map(({ current }: { current: boolean }) => current),
    [false, false],
  );
  const thief = openBrowser(server);
  thief.cookies.set('sid', newest.id);
  assert.equal(await nameIn(thief), 401);
});

test('a user ends one of his sessions, or all, and nobody else does', async () => {
  const id = await createUser(server, 'ending');
  await createUser(server, 'curious');
  const [one, two, three] = [
    await loggedIn(server, 'ending'),
    await loggedIn(server, 'ending'),
    await loggedIn(server, 'ending'),
  ];
  const path = '/users/current/sessions';
  const [, , { id: oldest }] = json(await three.ask('GET', path));
  for (const as of ['curious', undefined])
    assert.equal((await ask(server, 'DELETE', `${path}/${oldest}`, { ...(as && { as }) })).status, 404);
  assert.equal(await nameIn(one), 'ending');
  assert.equal((await three.ask('DELETE', `${path}/${oldest}`)).status, 200);
  assert.equal(await nameIn(one), 401);
  assert.equal((await three.ask('DELETE', `${path}/${oldest}`)).status, 404);
  for (const nothing of ['x', 'A'.repeat(43), 'A'.repeat(3000), '..%2f..'])
    assert.equal((await three.ask('DELETE', `${path}/${nothing}`)).status, 404, nothing);
  assert.equal(await nameIn(two), 'ending');

  const answer = await two.ask('DELETE', path);
  assert.equal(answer.status, 200);
  assert.equal(two.cookies.has('sid'), false);
  assert.equal(await nameIn(three), 401);
  assert.deepEqual(await sessionsOf(id), []);
  const ended = (await loginEventsOf('ending')).filter(({ type }) => type === 'LoggedOut');
  await until('it is recorded', async () =>
    (await loginEventsOf('ending')).some(({ type, data }) => type === 'LoggedOut' && data.all === true),
  );
  assert.ok(ended.length >= 1);
});

test('sessions are for users: a robot has none, and a stranger is told to log in', async () => {
  const { as } = await people.robot('sessionless', 'S3cretOfIt', []);
  for (const [method, path] of [
    ['GET', '/users/current/sessions'],
    ['DELETE', '/users/current/sessions'],
    ['DELETE', '/users/current/sessions/x'],
  ] as const) {
    const robot = await ask(server, method, path, { as });
    assert.deepEqual([robot.status, faultOf(robot).code], [412, 'PRECONDITION']);
    assert.equal((await ask(server, method, path, { as: '' })).status, 401);
  }
});

test('an access token opens no session, and neither sees nor ends those of its user', async () => {
  await createUser(server, 'tokened');
  const browser = await loggedIn(server, 'tokened');
  const { token } = json(await browser.ask('POST', '/users/current/tokens', { name: 'script', duration: 1 }));
  assert.ok(token.length > 20);
  assert.equal((await openBrowser(server).logIn('tokened', token)).status, 401);
  for (const [method, path] of [
    ['GET', '/users/current/sessions'],
    ['DELETE', '/users/current/sessions'],
  ] as const)
    assert.equal((await ask(server, method, path, { as: `tokened:${token}` })).status, 403);
  assert.equal(await nameIn(browser), 'tokened');
});

test('whether a name is taken is for administrators where nobody registers himself', async () => {
  await createUser(server, 'asking');
  const admin = await loggedIn(server, 'admin', server.password);
  const exists = async (browser: Browser, target: string, value: string) => {
    const answer = await browser.send('POST', '/c/userExists', {
      body: new URLSearchParams({ target, value }).toString(),
    });
    return answer.status === 200 ? json(answer) : answer.status;
  };
  assert.equal(await exists(admin, 'username', 'asking'), true);
  assert.equal(await exists(admin, 'username', 'nobody'), false);
  assert.equal(await exists(admin, 'email', 'ASKING@example.com'), true);
  assert.equal(await exists(admin, 'email', 'asking'), false);
  for (const value of ['', '\0', 'a\0b', 'x'.repeat(50_000)])
    assert.equal(await exists(admin, 'username', value), false);
  assert.equal(await exists(admin, 'realname', 'x'), 400);
  for (const browser of [await loggedIn(server, 'asking'), openBrowser(server)]) {
    await browser.send('GET', '/');
    assert.equal(await exists(browser, 'username', 'asking'), 412);
  }
});

test('what another way to log in would need is refused as long as there is none', async () => {
  const browser = openBrowser(server);
  await browser.send('GET', '/');
  for (const [method, path] of [
    ['GET', '/c/oidc/login?redirect_url=/x'],
    ['GET', '/c/oidc/callback?state=x&code=y'],
    ['GET', '/c/oidc/logout'],
    ['POST', '/c/oidc/onboard'],
    ['GET', '/c/authproxy/redirect?token=x'],
  ] as const)
    assert.deepEqual(refusalOf(await browser.send(method, path)), [412, 'PRECONDITION'], path);
  assert.equal((await browser.send('GET', '/c/login')).status, 405);
  assert.equal((await browser.send('GET', '/c/nothing')).status, 404);
});

test('sessions survive a server that is killed, and what has expired meanwhile is removed', async () => {
  await createUser(server, 'surviving');
  const browser = await loggedIn(server, 'surviving');
  const expired = await createUser(server, 'expired');
  await loggedIn(server, 'expired');
  await query(`UPDATE sessions.open_sessions SET expires_at = now() WHERE user_id = ${expired}`);
  await server.stop('SIGKILL');
  await server.start();
  assert.equal(await nameIn(browser), 'surviving');
  assert.equal((await browser.ask('POST', '/projects', { project_name: 'after-it' })).status, 201);
  await until('it is gone', async () => (await sessionsOf(expired)).length === 0);
});
