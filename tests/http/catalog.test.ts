import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addUser } from './accounts.ts';
import { pushBlob, pushImage, refusalOf, send } from './client.ts';

const server = await startServer({ after });
const inOrder = ['library/a', 'library/a-b', 'library/a.b', 'library/a/b', 'library/a0', 'library/b'];
for (const repository of inOrder.toReversed()) await pushImage(server, repository, '1.0');
// Holds no manifest, so that there is nothing in it to list.
await pushBlob(server, 'library/blobs-only', 'x');

async function catalog(query = '') {
  const { status, headers, body } = await send(server, 'GET', `/v2/_catalog${query}`);
  assert.equal(status, 200, body.toString());
  assert.match(headers['content-type'] ?? '', /^application\/json/);
  const { repositories, ...more } = JSON.parse(body.toString());
  assert.deepEqual(more, {});
  return { repositories, link: headers.link };
}

test('the catalog lists the repositories that hold manifests, in the order of their bytes', async () => {
  assert.deepEqual(await catalog(), { repositories: inOrder, link: undefined });
});

test('a repository whose last manifest was deleted is not in the catalog any more', async () => {
  const kept = await pushImage(server, 'library/emptied', '1.0');
  const more = await pushImage(server, 'library/emptied', '2.0', 'more');
  for (const { digest } of [kept, more]) {
    assert.ok((await catalog()).repositories.includes('library/emptied'));
    const deleted = await send(server, 'DELETE', `/v2/library/emptied/manifests/${digest}`);
    assert.equal(deleted.status, 202);
  }
  assert.deepEqual(await catalog(), { repositories: inOrder, link: undefined });
});

for (const size of [1, 2, 4, inOrder.length - 1]) {
  test(`following the links of pages of ${size} gives every repository once`, async () => {
    const seen: string[] = [];
    let query: string | undefined = `?n=${size}`;
    while (query !== undefined) {
      const { repositories, link } = await catalog(query);
      seen.push(...repositories);
      const [, next] = /^<\/v2\/_catalog(\?[^>]+)>; rel="next"$/.exec(String(link ?? '')) ?? [];
      assert.equal(link === undefined, next === undefined, `${link} is a link`);
      query = next;
    }
    assert.deepEqual(seen, inOrder);
  });
}

test('last is a place in the order and need not be a repository', async () => {
  assert.equal((await catalog('?last=library/a0')).repositories[0], 'library/b');
  assert.equal((await catalog('?last=library/a,')).repositories[0], 'library/a-b');
  for (const last of ['library/b', 'zzz', '%7F']) {
    assert.deepEqual(await catalog(`?n=5&last=${last}`), { repositories: [], link: undefined });
  }
});

test('a page of no repositories is empty, and one that is asked too large is cut', async () => {
  assert.deepEqual(await catalog('?n=0'), { repositories: [], link: undefined });
  assert.deepEqual(await catalog('?n=1000000'), { repositories: inOrder, link: undefined });
});

for (const n of ['-1', 'abc', '1.5', '', '1&n=2', '99999999999999999999', '9223372036854775808']) {
  test(`n=${n} is refused`, async () => {
    const answer = await send(server, 'GET', `/v2/_catalog?n=${n}`);
    assert.deepEqual(refusalOf(answer), [400, 'PAGINATION_NUMBER_INVALID']);
  });
}

for (const last of ['a%00b', 'a&last=b', 'a'.repeat(10_000)]) {
  test(`last=${last.slice(0, 10)} is refused`, async () => {
    const answer = await send(server, 'GET', `/v2/_catalog?last=${last}`);
    assert.deepEqual(refusalOf(answer), [400, 'NAME_INVALID']);
  });
}

test('only who may read the catalog is shown it', async (t) => {
  const anonymous = await send(server, 'GET', '/v2/_catalog', { as: '' });
  assert.deepEqual(refusalOf(anonymous), [401, 'UNAUTHORIZED']);
  assert.ok(anonymous.headers['www-authenticate']);

  const as = await addUser(t, server, { username: 'dev', userId: 3, administrator: false });
  assert.deepEqual(refusalOf(await send(server, 'GET', '/v2/_catalog', { as })), [403, 'DENIED']);
});
