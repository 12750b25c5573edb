import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { freePort } from '../free-port.ts';
import { startServer } from '../server.ts';
import { pushImage, refusalOf, send } from './client.ts';
import { accessOf, askToken, bearer, challengeOf, postForm } from './token-client.ts';

const server = await startServer({ after });
const realm = `${server.url}/service/token`;
const service = 'harbor-registry';
await pushImage(server, 'library/app', '1.0');
const anonymous = { as: '' };

test('a client that is challenged gets a token, and with it what it asked for', async () => {
  const challenged = await send(server, 'POST', '/v2/library/new/blobs/uploads/', anonymous);
  assert.deepEqual(refusalOf(challenged), [401, 'UNAUTHORIZED']);
  const { scope = '', ...rest } = challengeOf(challenged);
  assert.deepEqual([rest, scope], [{ realm, service }, 'repository:library/new:pull,push']);
  const { token } = await askToken(server, { scope: [scope] });
  assert.equal((await send(server, 'POST', '/v2/library/new/blobs/uploads/', bearer(token))).status, 202);
});

for (const path of ['/v2/', '/v2']) {
  test(`${path} challenges without a scope, and takes any valid token, also one for nobody in particular`, async () => {
    const challenged = await send(server, 'GET', path, anonymous);
    assert.equal(challenged.status, 401);
    assert.deepEqual(challengeOf(challenged), { realm, service });
    for (const as of ['', `admin:${server.password}`]) {
      const { token } = await askToken(server, { as });
      assert.equal((await send(server, 'GET', path, bearer(token))).status, 200);
    }
  });
}

const session = '0198c9a2-6a0e-4f1e-9a43-7d5a3d9c5a11';
const digest = `sha256:${'0'.repeat(64)}`;
const needs: readonly [method: string, path: string, actions: string][] = [
  ['GET', 'manifests/1.0', 'pull'],
  ['HEAD', 'manifests/1.0', 'pull'],
  ['PUT', 'manifests/1.0', 'pull,push'],
  ['DELETE', `manifests/${digest}`, 'delete'],
  ['DELETE', `blobs/${digest}`, 'delete'],
  ['GET', `referrers/${digest}`, 'pull'],
  ['GET', `blobs/${digest}`, 'pull'],
  ['HEAD', `blobs/${digest}`, 'pull'],
  ['GET', 'tags/list', 'pull'],
  ['POST', 'blobs/uploads/', 'pull,push'],
  // One scope, and not that of the source besides: containers/image reads no more than one.
  ['POST', `blobs/uploads/?mount=${digest}&from=private/team/base`, 'pull,push'],
  ['GET', `blobs/uploads/${session}`, 'pull,push'],
  ['PATCH', `blobs/uploads/${session}`, 'pull,push'],
  ['PUT', `blobs/uploads/${session}`, 'pull,push'],
  ['DELETE', `blobs/uploads/${session}`, 'pull,push'],
];
for (const [method, path, actions] of needs) {
  test(`the challenge to ${method} ${path} asks for ${actions}`, async () => {
    const answer = await send(server, method, `/v2/private/team/app/${path}`, anonymous);
    assert.equal(answer.status, 401);
    assert.deepEqual(challengeOf(answer), {
      realm,
      service,
      scope: `repository:private/team/app:${actions}`,
    });
  });
}

test('the challenge to list all repositories asks for that, and who may not list them is denied it', async () => {
  const answer = await send(server, 'GET', '/v2/_catalog', anonymous);
  assert.equal(answer.status, 401);
  const { scope = '' } = challengeOf(answer);
  assert.equal(scope, 'registry:catalog:*');
  const { token } = await askToken(server, { scope: [scope] });
  assert.equal((await send(server, 'GET', '/v2/_catalog', bearer(token))).status, 200);
  assert.equal(
    (await send(server, 'GET', '/v2/_catalog', bearer((await askToken(server)).token))).status,
    401,
  );
});

test('the realm is below the external URL where there is one, and the service as configured', async (t) => {
  const port = await freePort();
  const environment = {
    SHIPLOG_HTTP_PORT: String(port),
    SHIPLOG_EXTERNAL_URL: 'https://registry.example.com:8443/',
    SHIPLOG_TOKEN_SERVICE: 'my-registry',
    SHIPLOG_TOKEN_EXPIRATION_MINUTES: '1',
  };
  const { password } = await startServer(t, { environment });
  const outside = { url: `http://127.0.0.1:${port}`, password };
  assert.deepEqual(
    challengeOf(await send(outside, 'GET', '/v2/', { ...anonymous, headers: { host: 'x' } })),
    {
      realm: 'https://registry.example.com:8443/service/token',
      service: 'my-registry',
    },
  );
  assert.equal((await send(outside, 'GET', `/service/token?service=${service}`)).status, 400);
  const { expires_in } = await askToken(outside, { more: { service: 'my-registry' } });
  assert.equal(expires_in, 60);
});

test('the realm follows the Host of the request, and repeats nothing that could end its quotes', async () => {
  const realmFor = async (host: string) =>
    challengeOf(await send(server, 'GET', '/v2/', { as: '', headers: { host } })).realm;
  assert.equal(await realmFor('registry.example.com'), 'http://registry.example.com/service/token');
  assert.equal(await realmFor('registry.example.com:5000'), 'http://registry.example.com:5000/service/token');
  assert.equal(await realmFor('[::1]:5000'), 'http://[::1]:5000/service/token');
  for (const host of ['a",realm="http://evil', 'evil.example/x', 'a b', 'user@evil'])
    assert.doesNotMatch((await realmFor(host)) ?? '', /evil|a b/, host);
});

test('the answer says for how long the token is good, from when, and is not to be stored', async () => {
  const answer = await send(server, 'GET', `/service/token?service=${service}`);
  assert.equal(answer.headers['cache-control'], 'no-store');
  const { token, access_token, expires_in, issued_at, ...rest } = JSON.parse(answer.body.toString());
  assert.equal(token, access_token);
  assert.equal(expires_in, 1800);
  assert.match(issued_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.deepEqual(rest, {});
  const { iat, nbf, exp, aud, sub, jti } = decodeJwt(token);
  assert.deepEqual([nbf, exp], [iat, (iat ?? 0) + 1800]);
  assert.equal(Date.parse(issued_at) / 1000, iat);
  assert.deepEqual([aud, sub, typeof jti], [service, 'admin', 'string']);
  assert.equal(decodeProtectedHeader(token).alg, 'ES256');
});

test('a token holds what was asked for and is allowed, and less is no error', async () => {
  const asked = ['repository:library/app:pull,push', 'repository:secret/app:pull'];
  assert.deepEqual(accessOf((await askToken(server, { scope: asked })).token), {
    'repository:library/app': 'pull,push',
    'repository:secret/app': 'pull',
  });
  assert.deepEqual(accessOf((await askToken(server, { as: '', scope: asked })).token), {
    'repository:library/app': 'pull',
  });
});

test('a token is asked for in several parameters, in one with spaces, and for one repository more than once', async () => {
  const [one, other] = ['repository:library/a:pull', 'repository:library/b:pull'];
  const both = { 'repository:library/a': 'pull', 'repository:library/b': 'pull' };
  assert.deepEqual(accessOf((await askToken(server, { scope: [one, other] })).token), both);
  assert.deepEqual(accessOf((await askToken(server, { scope: [`${one} ${other}`] })).token), both);
  const twice = ['repository:library/a:pull', 'repository:library/a:push'];
  assert.deepEqual(accessOf((await askToken(server, { scope: twice })).token), {
    'repository:library/a': 'pull,push',
  });
});

const odd: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'repository:library/a:*': { 'repository:library/a': 'pull,push,delete' },
  'repository:library/a:push,*': { 'repository:library/a': 'pull,push,delete' },
  'repository:library/a:**': {},
  'repository:library/a:admin,pull': { 'repository:library/a': 'pull' },
  'repository:library/a:': {},
  'repository:library/a': {},
  'repository(plugin):library/a:pull': { 'repository:library/a': 'pull' },
  'repository::pull': {},
  'repository:Library/A:pull': {},
  'repository:library/../a:pull': {},
  'repository:library/a:pull\nrepository:library/b:pull': {},
  'artifact:library/a:pull': {},
  'registry:catalog:*': { 'registry:catalog': '*' },
  'registry:other:*': {},
  [`repository:library/${'a'.repeat(300)}:pull`]: {},
  ':::': {},
  '  ': {},
};
for (const [scope, access] of Object.entries(odd)) {
  test(`the scope ${JSON.stringify(scope.slice(0, 60))} gives ${JSON.stringify(access)} and no error`, async () => {
    assert.deepEqual(accessOf((await askToken(server, { scope: [scope] })).token), access);
  });
}

test('of hundreds of scopes as many are answered as fit into a header, and the token is good', async () => {
  const scopes = Array.from({ length: 300 }, (_, n) => `repository:library/a${n}:pull`);
  const { token } = await askToken(server, { scope: scopes });
  assert.ok(Object.keys(accessOf(token)).length >= 20);
  assert.equal((await send(server, 'GET', '/v2/library/app/tags/list', bearer(token))).status, 401);
  assert.equal((await send(server, 'GET', '/v2/library/a0/tags/list', bearer(token))).status, 404);
  const longest = Array.from({ length: 250 }, (_, n) => `repository:library/${n}${'a'.repeat(220)}:pull`);
  const form = { grant_type: 'password', username: 'admin', password: server.password };
  const answer = await postForm(server, { ...form, scope: longest.join(' ') });
  assert.equal(answer.status, 200);
  const longToken = JSON.parse(answer.body.toString()).token;
  assert.equal((await send(server, 'GET', '/v2/', bearer(longToken))).status, 200);
});

test('a wrong password gets no token, whatever is asked for', async () => {
  for (const query of ['', '&scope=repository:library/app:pull']) {
    const answer = await send(server, 'GET', `/service/token?service=${service}${query}`, {
      as: 'admin:wrong',
    });
    assert.deepEqual(refusalOf(answer), [401, 'UNAUTHORIZED']);
    assert.match(answer.headers['www-authenticate'] ?? '', /^Basic /);
  }
});

for (const query of ['', '?service=', '?service=other', '?scope=repository:library/app:pull']) {
  test(`the token service is another one than that of "${query}"`, async () => {
    assert.equal((await send(server, 'GET', `/service/token${query}`)).status, 400);
  });
}

test('a token by OAuth2 echoes the scope that was granted', async () => {
  const answer = await postForm(server, {
    grant_type: 'password',
    client_id: 'test',
    username: 'admin',
    password: server.password,
    scope: 'repository:library/app:pull,push,fly repository:library/other:pull',
  });
  assert.equal(answer.status, 200, answer.body.toString());
  assert.equal(answer.headers['cache-control'], 'no-store');
  const { scope, token, access_token, refresh_token } = JSON.parse(answer.body.toString());
  assert.equal(scope, 'repository:library/app:pull,push repository:library/other:pull');
  assert.deepEqual([token, refresh_token], [access_token, undefined]);
  assert.equal((await send(server, 'GET', '/v2/library/app/tags/list', bearer(token))).status, 200);
});

const refusedForms: Readonly<Record<string, [Readonly<Record<string, string>>, number, string?]>> = {
  'an unknown grant': [{ grant_type: 'authorization_code' }, 400, 'unsupported_grant_type'],
  'no grant': [{}, 400, 'unsupported_grant_type'],
  'no password': [{ grant_type: 'password', username: 'admin' }, 400, 'invalid_request'],
  'another service': [{ grant_type: 'password', service: 'other' }, 400, 'invalid_request'],
  'a wrong password': [
    { grant_type: 'password', username: 'admin', password: 'wrong' },
    401,
    'invalid_grant',
  ],
  'a NUL in the name': [{ grant_type: 'password', username: 'admin\0', password: server.password }, 401],
  'a NUL in the e-mail address': [{ grant_type: 'password', username: 'a\0@b', password: 'x' }, 401],
  'a NUL in the name of a robot': [{ grant_type: 'password', username: 'robot$a\0', password: 'x' }, 401],
  'a name cut in half a character': [
    { grant_type: 'password', username: `${'n'.repeat(254)}😀`, password: 'x' },
    401,
  ],
  'no refresh token': [{ grant_type: 'refresh_token' }, 400, 'invalid_grant'],
  'a long form': [{ grant_type: 'password', username: 'a'.repeat(70_000) }, 413],
};
for (const [fault, [form, status, error]] of Object.entries(refusedForms)) {
  test(`a form with ${fault} is refused`, async () => {
    const answer = await postForm(server, form);
    assert.equal(answer.status, status, answer.body.toString());
    if (error !== undefined) assert.equal(JSON.parse(answer.body.toString()).error, error);
  });
}
