import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { type Answer, digestOf, lastingHeaders, pushImage, refusalOf, type Sent, send } from './client.ts';
import { decidedSince, openLogOf } from './server-log.ts';
import { challengeOf } from './token-client.ts';

const server = await startServer({ after });
const developer = 'dev:Päss:wörd-1';

const log = await openLogOf({ after }, server);
const person = { username: 'dev', email: 'dev@example.com', realname: 'Dev', password: 'Päss:wörd-1' };
for (const [path, body] of [
  ['users', person],
  ['projects', { project_name: 'secret' }],
] as const) {
  const created = await send(server, 'POST', `/api/v2.0/${path}`, { body: JSON.stringify(body) });
  assert.equal(created.status, 201, created.body.toString());
}
const open = await pushImage(server, 'library/open', '1.0');
const closed = await pushImage(server, 'secret/closed', '1.0');

const isChallenged = (answer: Answer) => {
  assert.deepEqual(refusalOf(answer), [401, 'UNAUTHORIZED']);
  const { realm, service } = challengeOf(answer);
  assert.deepEqual([realm, service], [`${server.url}/service/token`, 'harbor-registry']);
  assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
};
const basic = (text: string | Buffer): Sent => ({
  as: '',
  headers: { authorization: `Basic ${Buffer.from(text).toString('base64')}` },
});

for (const path of ['/v2/', '/v2']) {
  test(`${path} tells who may log in, and challenges who has not`, async () => {
    isChallenged(await send(server, 'GET', path, { as: '' }));
    assert.equal((await send(server, 'HEAD', path, { as: '' })).status, 401);
    for (const as of [`admin:${server.password}`, developer]) {
      assert.equal((await send(server, 'HEAD', path, { as })).status, 200);
      const { status, headers, body } = await send(server, 'GET', path, { as });
      assert.deepEqual([status, body.toString()], [200, '{}']);
      assert.equal(headers['docker-distribution-api-version'], 'registry/2.0');
      assert.match(headers['content-type'] ?? '', /^application\/json/);
    }
  });
}

const refused: Readonly<Record<string, Sent>> = {
  'a wrong password': { as: 'admin:wrong' },
  'no password': { as: 'admin:' },
  'a password and more': { as: `admin:${server.password}x` },
  'the password of another user': { as: `dev:${server.password}` },
  'a user that does not exist': { as: `nobody:${server.password}` },
  'a user name in another case': { as: `Admin:${server.password}` },
  'a password without a user': { as: `:${server.password}` },
  'a password of 10 kB': { as: `admin:${'x'.repeat(8000)}` },
  'a user name with a NUL': basic(`admin\0:${server.password}`),
  'a password with a NUL': basic(`admin:${server.password}\0`),
  'no colon': basic('admin'),
  'bytes that are not UTF-8': basic(Buffer.from([0xff, 0xfe, 0x3a, 0xff])),
  'an empty header': { as: '', headers: { authorization: '' } },
  'no credentials after the scheme': { as: '', headers: { authorization: 'Basic' } },
  'credentials that are no base64': { as: '', headers: { authorization: 'Basic ***' } },
  'base64 with text after it': { as: '', headers: { authorization: 'Basic YWRtaW46eA== x' } },
  'a token': { as: '', headers: { authorization: 'Bearer abc.def.ghi' } },
  'a scheme that nobody knows': { as: '', headers: { authorization: 'Digest username="admin"' } },
};
for (const [fault, sent] of Object.entries(refused)) {
  test(`${fault} is challenged, also where anyone may read`, async () => {
    isChallenged(await send(server, 'GET', '/v2/', sent));
    isChallenged(await send(server, 'GET', '/v2/library/open/manifests/1.0', sent));
    isChallenged(await send(server, 'POST', '/v2/library/open/blobs/uploads/', sent));
  });
}

test('the scheme counts in any case', async () => {
  const credentials = Buffer.from(`admin:${server.password}`).toString('base64');
  for (const scheme of ['basic', 'BASIC', 'Basic ']) {
    const headers = { authorization: `${scheme} ${credentials}` };
    assert.equal((await send(server, 'GET', '/v2/', { as: '', headers })).status, 200);
  }
});

test('an empty user with an empty password is anonymous, as some clients send it', async () => {
  isChallenged(await send(server, 'GET', '/v2/', basic(':')));
  assert.equal((await send(server, 'GET', '/v2/library/open/manifests/1.0', basic(':'))).status, 200);
});

const reads = (project: string, { digest, blob }: typeof open): [method: string, path: string][] => [
  ['GET', `/v2/${project}/manifests/1.0`],
  ['HEAD', `/v2/${project}/manifests/1.0`],
  ['GET', `/v2/${project}/manifests/${digest}`],
  ['GET', `/v2/${project}/blobs/${blob.digest}`],
  ['HEAD', `/v2/${project}/blobs/${blob.digest}`],
  ['GET', `/v2/${project}/tags/list`],
  ['GET', `/v2/${project}/referrers/${digest}`],
];
const session = '0198c9a2-6a0e-4f1e-9a43-7d5a3d9c5a11';
const writes = (project: string): [method: string, path: string][] => [
  ['POST', `/v2/${project}/blobs/uploads/`],
  ['POST', `/v2/${project}/blobs/uploads/?digest=${digestOf('x')}`],
  ['GET', `/v2/${project}/blobs/uploads/${session}`],
  ['PATCH', `/v2/${project}/blobs/uploads/${session}`],
  ['PUT', `/v2/${project}/blobs/uploads/${session}?digest=${digestOf('x')}`],
  ['DELETE', `/v2/${project}/blobs/uploads/${session}`],
  ['PUT', `/v2/${project}/manifests/1.0`],
];

for (const as of ['', developer]) {
  const who = as === '' ? 'anyone' : 'a user who is no administrator';

  test(`${who} may read a public project`, async () => {
    for (const [method, path] of reads('library/open', open)) {
      assert.equal((await send(server, method, path, { as })).status, 200, `${method} ${path}`);
    }
  });

  test(`${who} may not write to a public project, nor read or write another one`, async () => {
    const requests = [
      ...writes('library/open'),
      ...writes('secret/closed'),
      ...reads('secret/closed', closed),
      ...reads('missing/closed', closed),
      ...writes('missing/closed'),
    ];
    const head = await log.head();
    for (const [method, path] of requests) {
      const answer = await send(server, method, path, { as });
      assert.equal(answer.status, as === '' ? 401 : 403, `${method} ${path}`);
      if (as === '') assert.ok(challengeOf(answer).scope?.startsWith('repository:'));
      if (method !== 'HEAD')
        assert.deepEqual(refusalOf(answer), as === '' ? [401, 'UNAUTHORIZED'] : [403, 'DENIED']);
    }
    assert.deepEqual(await decidedSince(log, head), []);
  });

  test(`${who} cannot tell a private project from one that does not exist`, async () => {
    for (const [method, path] of reads('secret/closed', closed)) {
      const there = await send(server, method, path, { as });
      const missing = await send(server, method, path.replace('secret', 'nosuch'), { as });
      // A challenge repeats the name that was asked for.
      const ofThere = JSON.stringify(lastingHeaders(there)).replaceAll('secret', 'nosuch');
      assert.deepEqual(JSON.parse(ofThere), lastingHeaders(missing));
      assert.equal(there.body.toString().replaceAll('secret', 'nosuch'), missing.body.toString());
    }
  });
}

test('the administrator is told which project is missing', async () => {
  for (const [method, path] of [...reads('missing/x', open), ...writes('missing/x')]) {
    // Of referrers 404 would say that there is no such API.
    if (path.includes('/referrers/')) continue;
    const answer = await send(server, method, path);
    assert.equal(answer.status, 404, `${method} ${path}`);
    if (method !== 'HEAD') assert.deepEqual(refusalOf(answer), [404, 'NAME_UNKNOWN']);
  }
});

test('the administrator may read a private project', async () => {
  for (const [method, path] of reads('secret/closed', closed)) {
    assert.equal((await send(server, method, path)).status, 200, `${method} ${path}`);
  }
});

test('a refused push of many bytes is answered, whether or not anybody reads them', async () => {
  const body = Buffer.alloc(20_000_000);
  const path = `/v2/library/open/blobs/uploads/?digest=${digestOf(body)}`;
  isChallenged(await send(server, 'POST', path, { as: '', body }));
});
