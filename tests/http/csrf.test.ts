import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { freePort } from '../free-port.ts';
import { startServer, type TestServer } from '../server.ts';
import { ask, createUser, faultOf } from './api-client.ts';
import { type Browser, cookiesIn, formOf, loggedIn, openBrowser } from './browser.ts';
import { type Answer, type Sent, send } from './client.ts';

const secretKey = 'a secret key of the tests';
const port = await freePort();
const [server, reached] = await Promise.all([
  startServer({ after }, { environment: { SHIPLOG_SECRET_KEY: secretKey } }),
  startServer(
    { after },
    {
      environment: {
        SHIPLOG_SECRET_KEY: secretKey,
        SHIPLOG_HTTP_PORT: String(port),
        SHIPLOG_EXTERNAL_URL: 'https://registry.example.com',
      },
    },
  ),
]);
// As the proxy reaches it that speaks TLS with the clients.
const secure = { ...reached, url: `http://127.0.0.1:${port}` };
const csrf = '_gorilla_csrf';
const header = 'x-harbor-csrf-token';
const referer = 'https://registry.example.com/harbor/users';
let users = 0;

const profileOf = (name: string) => ({ email: `${name}@example.com`, realname: name, comment: '' });

/** Somebody who has logged in, and a change that only he or an administrator may make. */
async function somebody(
  on: TestServer,
  headers?: Sent['headers'],
): Promise<{ browser: Browser; change: (more?: Sent['headers']) => Promise<Answer> }> {
  users += 1;
  const name = `user${users}`;
  const id = await createUser(on, name);
  const browser = await loggedIn(on, name, undefined, headers);
  return { browser, change: (more = {}) => browser.ask('PUT', `/users/${id}`, profileOf(name), more) };
}

const isRefused = (answer: Answer, message = 'CSRF token invalid') =>
  assert.deepEqual([answer.status, faultOf(answer)], [403, { code: 'FORBIDDEN', message }]);

test('what has neither the cookie of a session nor the path of a page is never checked', async () => {
  await createUser(server, 'basic');
  for (const [method, path] of [
    ['GET', '/api/v2.0/users/current'],
    ['POST', '/api/v2.0/users'],
    ['GET', '/service/token?service=harbor-registry'],
    ['POST', '/service/token'],
    ['GET', '/v2/'],
    ['POST', '/v2/library/app/blobs/uploads/'],
    ['GET', '/healthz'],
    ['GET', '/readyz'],
  ] as const) {
    const answer = await send(server, method, path, { headers: { cookie: 'other=1; sidx=1; xsid=2' } });
    assert.notEqual(answer.status, 403, path);
    assert.equal(answer.headers[header], undefined, path);
    assert.equal(answer.headers['set-cookie'], undefined, path);
  }
});

test('every answer to what is checked has a token and its cookie, which no script sees and no other site sends', async () => {
  const sid = randomBytes(32).toString('base64url');
  for (const [path, cookie] of [
    ['/', ''],
    ['/c/log_out', ''],
    ['/any/page', ''],
    ['/api/v2.0/systeminfo', `sid=${sid}`],
    ['/api/v2.0/nothing', 'sid=x'],
    ['/api/v2.0/users', 'a=b; sid='],
    ['/v2/', `sid=${sid}`],
  ] as const) {
    const answer = await send(server, 'GET', path, { as: '', headers: cookie === '' ? {} : { cookie } });
    const [first] = cookiesIn(answer);
    assert.equal(first?.name, csrf, path);
    assert.deepEqual(first?.attributes, ['Path=/', 'HttpOnly', 'SameSite=Strict'], path);
    assert.match(String(answer.headers[header]), /^[A-Za-z0-9+/]{86}==$/);
    assert.equal(answer.headers.vary, 'Cookie');
  }
});

test('a request that changes something needs the token, and takes it from the refusal to try again', async () => {
  const { browser, change } = await somebody(server);
  browser.cookies.delete(csrf);
  // As the Terraform provider does, which knows the id of a session alone and reads the first cookie of the answer.
  const refused = await change({ [header]: '' });
  isRefused(refused);
  const [first] = cookiesIn(refused);
  assert.equal(first?.name, csrf);
  const again = await change({
    cookie: `sid=${browser.cookies.get('sid')}; ${csrf}=${first?.value}`,
    [header]: String(refused.headers[header]),
  });
  assert.equal(again.status, 200, again.body.toString());
});

test('a token is masked anew at each answer, and all are good while the cookie is the same', async () => {
  const { browser, change } = await somebody(server);
  const cookie = browser.cookies.get(csrf);
  const tokens = new Set<string>();
  for (let times = 0; times < 5; times += 1) {
    await browser.ask('GET', '/users/current');
    tokens.add(browser.token());
    assert.equal(browser.cookies.get(csrf), cookie);
  }
  assert.equal(tokens.size, 5);
  for (const token of tokens) assert.equal((await change({ [header]: token })).status, 200);
});

test('no other token and no other cookie will do', async () => {
  const { browser, change } = await somebody(server);
  const stranger = openBrowser(server);
  await stranger.send('GET', '/');
  const [cookie = '', token] = [browser.cookies.get(csrf), browser.token()];
  const bytes = Buffer.from(token, 'base64');
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  const tokens = [
    '',
    'x',
    'null',
    stranger.token(),
    bytes.toString('base64'),
    Buffer.alloc(64).toString('base64'),
    bytes.subarray(0, 32).toString('base64'),
    `${token}${token}`,
    token.slice(0, -2),
    'A'.repeat(8000),
  ];
  for (const wrong of tokens) {
    isRefused(await change({ [header]: wrong }));
    browser.cookies.set(csrf, cookie);
  }
  const [text = '', signature = ''] = cookie.split('.');
  // Who can set cookies could choose a token whose masked form he knows, unless it had to be signed.
  const zeros = Buffer.alloc(32).toString('base64url');
  for (const forged of [
    '',
    'x',
    text,
    `${text}.`,
    `.${signature}`,
    `${zeros}.${signature}`,
    `${text}.${zeros}`,
    `${text}.${signature}.`,
    `${text}.${signature}x`,
    'A'.repeat(4000),
  ]) {
    browser.cookies.set(csrf, forged);
    isRefused(
      await change({ [header]: forged.startsWith(zeros) ? Buffer.alloc(64).toString('base64') : token }),
    );
  }
});

test('every method that changes something is checked, wherever the cookie of a session comes along', async () => {
  const { browser } = await somebody(server);
  const cookie = `sid=${browser.cookies.get('sid')}`;
  for (const [method, path] of [
    ['POST', '/api/v2.0/projects'],
    ['PUT', '/api/v2.0/users/1'],
    ['DELETE', '/api/v2.0/users/1'],
    ['PATCH', '/api/v2.0/robots/1'],
    ['POST', '/c/login'],
    ['POST', '/c/userExists'],
    ['POST', '/c/oidc/onboard'],
    ['POST', '//c//login/'],
    ['POST', '/%63/login'],
    ['POST', '/service/token'],
    ['POST', '/service/token/revoke'],
  ] as const) {
    const answer = await send(server, method, path, { as: '', headers: { cookie } });
    if (answer.status !== 404) isRefused(answer);
  }
  // Also where a password comes along, which a browser may send by itself.
  const body = JSON.stringify({ project_name: 'forged' });
  isRefused(
    await send(server, 'POST', '/api/v2.0/projects', {
      body,
      headers: { cookie, 'content-type': 'application/json' },
    }),
  );
  assert.equal((await send(server, 'HEAD', '/api/v2.0/projects?project_name=forged')).status, 404);
  const push = await send(server, 'POST', '/v2/library/app/blobs/uploads/', { headers: { cookie } });
  assert.deepEqual([push.status, faultOf(push).code], [403, 'DENIED']);
});

test('what reads is never refused, and forms need the token also from who has no session', async () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS'])
    assert.notEqual(
      (await send(server, method, '/api/v2.0/projects', { as: '', headers: { cookie: 'sid=x' } })).status,
      403,
    );
  await createUser(server, 'formal');
  const body = formOf('formal', 'Passw0rd-of-a-test');
  isRefused(await send(server, 'POST', '/c/login', { as: '', body }));
});

test('a gateway with the same secret key takes the token, and one with another does not', async (t) => {
  const { browser } = await somebody(server);
  const other = await startServer(t, { environment: { SHIPLOG_SECRET_KEY: 'another key of enough length' } });
  const sent = {
    as: '',
    body: 'principal=nobody&password=x',
    headers: { cookie: `${csrf}=${browser.cookies.get(csrf)}`, [header]: browser.token() },
  };
  // Which wants a Referer as well.
  const same = { ...sent, headers: { ...sent.headers, referer } };
  assert.equal((await send(secure, 'POST', '/c/login', same)).status, 401);
  isRefused(await send(other, 'POST', '/c/login', sent));
});

test('where clients come by TLS the page has to be one of ours as well, and cookies are sent by TLS alone', async () => {
  const { browser, change } = await somebody(secure, { referer });
  const sent = await browser.send('GET', '/c/log_out');
  for (const { name, attributes } of cookiesIn(sent)) assert.equal(attributes.at(-1), 'Secure', name);

  await browser.logIn(`user${users}`);
  assert.equal((await change()).status, 200);
  assert.equal((await change({ origin: 'https://registry.example.com' })).status, 200);
  assert.equal((await change({ referer: `https://${new URL(secure.url).host}/x` })).status, 200);
  isRefused(await change({ referer: '' }), 'referer not supplied');
  for (const foreign of [
    'https://evil.example.com/registry.example.com',
    'https://registry.example.com.evil.example/',
    'https://registry.example.com@evil.example/',
    'https://registry.example.com:8443/',
    'http://registry.example.com/',
    'registry.example.com',
    'about:blank',
    'data:text/html,x',
    'https://',
    'x',
  ])
    isRefused(await change({ referer: foreign }), 'referer invalid');
  for (const origin of ['https://evil.example.com', 'null', 'http://registry.example.com', ''])
    isRefused(await change({ origin }), 'origin invalid');
});

test('a refused request leaves everything as it was, and the rest of its body is not taken for the next one', async () => {
  const { browser, change } = await somebody(server);
  const answer = await browser.send('POST', '/api/v2.0/projects', {
    body: JSON.stringify({ project_name: 'forged', padding: 'x'.repeat(500_000) }),
    headers: { [header]: 'wrong' },
  });
  isRefused(answer);
  assert.equal((await ask(server, 'HEAD', '/projects?project_name=forged')).status, 404);
  assert.equal((await change()).status, 200);
});
