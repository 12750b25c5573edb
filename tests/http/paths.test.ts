import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { digestOf, pushBlob, pushImage, refusalOf, send, startUpload } from './client.ts';

const server = await startServer({ after });

for (const project_name of ['a', 'blobs', 'manifests', 'referrers', 'tags', 'uploads', 'v2']) {
  const created = await send(server, 'POST', '/api/v2.0/projects', {
    body: JSON.stringify({ project_name }),
  });
  assert.equal(created.status, 201, created.body.toString());
}

for (const name of [
  'library',
  'blobs',
  'blobs/uploads',
  'manifests/tags',
  'referrers/manifests',
  'tags/list',
  'uploads',
  'v2',
  'v2/v2',
  'a/blobs/uploads/b',
  'library/a/b/c/d/e/f',
  'library/blobs',
  'library/blobs/uploads',
  'library/blobs/uploads/x',
  'library/manifests',
  'library/manifests/tags',
  'library/manifests/1.0',
  'library/referrers',
  'library/referrers/x/referrers',
  'library/tags/list',
  'library/tags/list/manifests',
  'library/uploads',
  'library/v2',
  'library/a.b_c__d-e---f',
  `library/${'a'.repeat(247)}`,
]) {
  test(`a repository may be called ${name.slice(0, 40)}`, async () => {
    const { manifest, blob } = await pushImage(server, name, '1.0', name);
    for (const reference of ['1.0', digestOf(manifest)]) {
      const get = await send(server, 'GET', `/v2/${name}/manifests/${reference}`);
      assert.deepEqual([get.status, get.body.toString()], [200, manifest]);
    }
    assert.equal((await send(server, 'HEAD', `/v2/${name}/blobs/${blob.digest}`)).status, 200);
    const list = await send(server, 'GET', `/v2/${name}/tags/list`);
    assert.deepEqual(JSON.parse(list.body.toString()), { name, tags: ['1.0'] });
    const referrers = await send(server, 'GET', `/v2/${name}/referrers/${digestOf(manifest)}`);
    assert.equal(referrers.status, 200);

    const location = await startUpload(server, name);
    assert.equal(location.startsWith(`/v2/${name}/blobs/uploads/`), true);
    assert.equal((await send(server, 'GET', location)).status, 204);
    assert.equal(
      (await send(server, 'PUT', `${location}?digest=${digestOf('x')}`, { body: 'x' })).status,
      201,
    );
  });
}

test('a tag may be called like a part of a route', async () => {
  for (const tag of ['list', 'tags', 'uploads', 'manifests', 'blobs', 'v2', '_catalog']) {
    const { manifest } = await pushImage(server, 'library/routes', tag, tag);
    const get = await send(server, 'GET', `/v2/library/routes/manifests/${tag}`);
    assert.equal(get.body.toString(), manifest);
  }
});

test('a slash of a name may be escaped, and access is judged on the same name', async () => {
  const { manifest } = await pushImage(server, 'library/escaped', '1.0');
  for (const path of ['/v2/library%2Fescaped/manifests/1.0', '/v2/library%2fescaped/manifests/1.0']) {
    const get = await send(server, 'GET', path, { as: '' });
    assert.deepEqual([get.status, get.body.toString()], [200, manifest]);
  }
  assert.equal((await send(server, 'GET', '/v2/other%2Fescaped/manifests/1.0', { as: '' })).status, 401);
});

test('an escaped letter is that letter', async () => {
  await pushBlob(server, 'library/letters', 'x');
  const digest = digestOf('x').replace(':', '%3A');
  assert.equal((await send(server, 'HEAD', `/v2/library/l%65tters/blobs/${digest}`)).status, 200);
});

for (const name of [
  'Library/hello',
  'library/UPPER',
  'library//hello',
  'library/hello/',
  '-a/b',
  'a-/b',
  '_a/b',
  'library/..',
  'library/.',
  '../library',
  '..',
  '',
  'library/%2e%2e',
  '%2e%2e/library',
  '%252e%252e',
  'library/a___b',
  'library/a..b',
  'library/a.-b',
  'library/a b'.replace(' ', '%20'),
  'library/a;b',
  'library/a%5cb',
  'library/a:b',
  'library/a@b',
  'library/caf%C3%A9',
  'library/%EF%BD%81',
  'library/%E2%84%AA',
  'library/%00',
  'library/a%00',
  'library/a%0d%0ab',
  'library/a%0aX-Header:%20x',
  "library/a'",
  'a'.repeat(256),
  Array(300).fill('a').join('/'),
]) {
  test(`a repository may not be called ${name.slice(0, 40)}`, async () => {
    for (const [method, path] of [
      ['GET', `/v2/${name}/manifests/1.0`],
      ['GET', `/v2/${name}/tags/list`],
      ['GET', `/v2/${name}/blobs/${digestOf('x')}`],
      ['POST', `/v2/${name}/blobs/uploads/`],
      ['PUT', `/v2/${name}/manifests/1.0`],
    ] as const) {
      const answer = await send(server, method, path);
      assert.deepEqual(refusalOf(answer), [400, 'NAME_INVALID'], `${method} ${path}`);
    }
  });
}

for (const code of ['%', '%2', '%zz', '%ff%fe', '%c0%af', '%u0041']) {
  test(`a path with ${code} is refused in the form that clients read`, async () => {
    for (const path of [
      `/v2/library/${code}/manifests/1.0`,
      `/v2/library/hello/manifests/${code}`,
      `/v2/library/hello/blobs/${code}`,
      `/v2/library/hello/blobs/uploads/${code}`,
      `/${code}`,
    ]) {
      const answer = await send(server, 'GET', path);
      assert.ok([400, 404].includes(answer.status), `${path}: ${answer.status}`);
      if (path.startsWith('/v2'))
        assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
    }
  });
}

const nowhere: [method: string, path: string][] = [
  ['GET', '/'],
  ['GET', '/v1/'],
  ['GET', '/v2/library'],
  ['GET', '/v2/library/hello'],
  ['GET', '/v2/library/hello/'],
  ['GET', '/v2/library/hello/manifests'],
  ['GET', '/v2/library/hello/manifests/'],
  ['GET', '/v2/library/hello/tags'],
  ['GET', '/v2/library/hello/tags/list/'],
  ['GET', '/v2/../v2/'],
  ['GET', '/v2/%2e%2e/%2e%2e/etc/passwd'],
  ['GET', '//v2/'],
  ['GET', '/favicon.ico'],
  ['POST', '/v2/'],
  ['POST', '/v2/library/hello/tags/list'],
  ['PUT', `/v2/library/hello/blobs/${digestOf('x')}`],
  ['POST', '/v2/library/hello/manifests/1.0'],
  ['PROPFIND', '/v2/'],
  ['TRACE', '/v2/'],
  ['OPTIONS', '/v2/'],
  ['GET', '/constructor'],
  ['GET', '/__proto__'],
];
for (const [method, path] of nowhere) {
  test(`${method} ${path} leads nowhere, and says so in the form that clients read`, async () => {
    const answer = await send(server, method, path);
    const [status, code] = refusalOf(answer);
    assert.ok([404, 405].includes(Number(status)), `${status}`);
    assert.equal(code, 'UNSUPPORTED');
    if (path.startsWith('/v2'))
      assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
  });
}

test('a request whose line or headers are too long is refused', async () => {
  const long = await send(server, 'GET', `/v2/${'a'.repeat(8000)}/tags/list`);
  assert.deepEqual(refusalOf(long), [400, 'NAME_INVALID']);
});

test('an Accept header, a query or a fragment of nonsense changes nothing', async () => {
  const { manifest } = await pushImage(server, 'library/nonsense', '1.0');
  for (const query of [
    '?',
    '?x=y',
    '?n=-1&last',
    '?%',
    '?__proto__=x',
    '?ns=example.com',
    '?digest=a&digest=b',
  ]) {
    const get = await send(server, 'GET', `/v2/library/nonsense/manifests/1.0${query}`);
    assert.deepEqual([get.status, get.body.toString()], [200, manifest], query);
  }
});
