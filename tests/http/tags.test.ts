import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { tagStream } from '../../domain/tag/events.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { digestOf, pushImage, putManifest, refusalOf, send } from './client.ts';
import { openLogOf } from './server-log.ts';

const server = await startServer({ after });
const repository = 'library/tags';
const list = `/v2/${repository}/tags/list`;

const { manifest } = await pushImage(server, repository, 'v1');
const inOrder = ['10', '9', 'A', 'B', '_x', 'a', 'a.b', 'b', 'latest', 'v1', 'v1-rc', 'v1.0', 'v10', 'v2'];
for (const tag of inOrder.toReversed()) {
  assert.equal((await putManifest(server, repository, tag, manifest)).status, 201);
}

async function tagsOf(query = '', path = list) {
  const answer = await send(server, 'GET', `${path}${query}`);
  assert.equal(answer.status, 200, answer.body.toString());
  assert.match(answer.headers['content-type'] ?? '', /^application\/json/);
  const { name, tags } = JSON.parse(answer.body.toString());
  assert.equal(name, path.slice('/v2/'.length, -'/tags/list'.length));
  return { tags, link: answer.headers.link };
}

test('all tags are listed in the order of their bytes', async () => {
  assert.deepEqual(await tagsOf(), { tags: inOrder, link: undefined });
});

test('a tag is listed as soon as its push is answered, and once however often it is pushed', async () => {
  const path = '/v2/library/fresh/tags/list';
  for (const tags of [['a'], ['a', 'b'], ['a', 'b']]) {
    await pushImage(server, 'library/fresh', tags.at(-1) ?? '', String(Math.random()));
    assert.deepEqual((await tagsOf('', path)).tags, tags);
  }
});

for (const size of [1, 3, 5, inOrder.length - 1]) {
  test(`following the links of pages of ${size} gives every tag once`, async () => {
    const seen: string[] = [];
    let query: string | undefined = `?n=${size}`;
    while (query !== undefined) {
      const { tags, link } = await tagsOf(query);
      assert.ok(tags.length <= size);
      seen.push(...tags);
      const [, path, next] = /^<([^?>]+)(\?[^>]+)>; rel="next"$/.exec(String(link ?? '')) ?? [];
      assert.equal(link === undefined, path === undefined, `${link} is a link`);
      if (path !== undefined) assert.equal(path, list);
      query = next;
    }
    assert.deepEqual(seen, inOrder);
  });
}

test('a link keeps what else was asked, written so that it stays one link', async () => {
  const { link } = await tagsOf('?x=a%20b%26c&n=2&ns=docker.io&x=%3E%0d%0a%C3%A9&last=A&y=a?b&z=1');
  const [, query = ''] =
    /^<\/v2\/library\/tags\/tags\/list\?([!-;=?-~]+)>; rel="next"$/.exec(String(link)) ?? [];
  const kept = [...new URLSearchParams(query)].sort().map((pair) => pair.join('='));
  assert.deepEqual(kept, ['last=_x', 'n=2', 'ns=docker.io', 'x=>\r\né', 'x=a b&c', 'y=a?b', 'z=1']);
  assert.deepEqual((await tagsOf(`?${query}`)).tags, ['a', 'a.b']);
});

test('a page that holds exactly the rest has no link', async () => {
  assert.deepEqual(await tagsOf(`?n=${inOrder.length}`), { tags: inOrder, link: undefined });
  const { tags, link } = await tagsOf('?n=2&last=v1.0');
  assert.deepEqual([tags, link], [['v10', 'v2'], undefined]);
});

test('last is a place in the order and need not be a tag', async () => {
  for (const [last, first] of Object.entries({
    '': '10',
    '0': '10',
    '9a': 'A',
    v1: 'v1-rc',
    'v1.': 'v1.0',
    m: 'v1',
  })) {
    assert.equal((await tagsOf(`?last=${last}`)).tags[0], first);
  }
});

test('without n all tags after last are listed', async () => {
  assert.deepEqual(await tagsOf('?last=b'), {
    tags: inOrder.slice(inOrder.indexOf('b') + 1),
    link: undefined,
  });
});

test('after the last tag comes an empty page, which is a list and has no link', async () => {
  for (const query of ['?last=v2', '?n=5&last=v2', '?last=zzz', '?last=%7F']) {
    assert.deepEqual(await tagsOf(query), { tags: [], link: undefined });
  }
});

test('a page of no tags is empty and has no link', async () => {
  assert.deepEqual(await tagsOf('?n=0'), { tags: [], link: undefined });
});

test('more tags than a page may have can be asked for', async () => {
  for (const n of ['10000', '10001', '999999999999999', '9223372036854775807']) {
    assert.deepEqual(await tagsOf(`?n=${n}`), { tags: inOrder, link: undefined });
  }
});

for (const n of [
  '-1',
  'abc',
  '1.5',
  '',
  '1e3',
  '0x10',
  '+5',
  '%00',
  '99999999999999999999',
  '9223372036854775808',
  '1&n=2',
]) {
  test(`n=${n} is refused`, async () => {
    assert.deepEqual(refusalOf(await send(server, 'GET', `${list}?n=${n}`)), [
      400,
      'PAGINATION_NUMBER_INVALID',
    ]);
  });
}

for (const last of ['a%00b', 'a&last=b', 'a'.repeat(10_000)]) {
  test(`last=${last.slice(0, 10)} is refused, since it is no tag`, async () => {
    assert.deepEqual(refusalOf(await send(server, 'GET', `${list}?last=${last}`)), [400, 'TAG_INVALID']);
  });
}

for (const last of ["'", '%27%20OR%20%27%27=%27', '%25', '%', '%5C', '_', '%ff%fe', 'caf%C3%A9', '%0d%0a']) {
  test(`last=${last} is a place in the order like any other`, async () => {
    const { tags } = await tagsOf(`?last=${last}`);
    assert.deepEqual(tags, inOrder.slice(inOrder.length - tags.length));
  });
}

test('a repository that was never pushed to has no list', async () => {
  for (const query of ['', '?n=5', '?n=0', '?last=x']) {
    assert.deepEqual(refusalOf(await send(server, 'GET', `/v2/library/never/tags/list${query}`)), [
      404,
      'NAME_UNKNOWN',
    ]);
  }
});

test('a repository that only holds blobs is unknown, and one without tags is empty', async () => {
  const started = await send(
    server,
    'POST',
    `/v2/library/blobs-only/blobs/uploads/?digest=${digestOf('x')}`,
    {
      body: 'x',
    },
  );
  assert.equal(started.status, 201);
  assert.deepEqual(refusalOf(await send(server, 'GET', '/v2/library/blobs-only/tags/list')), [
    404,
    'NAME_UNKNOWN',
  ]);

  const untagged = 'library/untagged';
  const digest = digestOf(manifest);
  await send(server, 'POST', `/v2/${untagged}/blobs/uploads/?digest=${digestOf('{}')}`, { body: '{}' });
  assert.equal((await putManifest(server, untagged, digest, manifest)).status, 201);
  assert.deepEqual(await tagsOf('', `/v2/${untagged}/tags/list`), { tags: [], link: undefined });
});

test('the tags of a repository are not those of one whose name starts alike', async () => {
  await pushImage(server, `${repository}/deeper`, 'other');
  assert.deepEqual((await tagsOf()).tags, inOrder);
  assert.deepEqual((await tagsOf('', `/v2/${repository}/deeper/tags/list`)).tags, ['other']);
});

test('a list of more tags than a page may have is cut, whatever is asked, and goes on by its link', async (t) => {
  const name = 'library/many';
  const { digest } = await pushImage(server, name, '00000');
  const log = await openLogOf(t, server);
  const tags = Array.from({ length: 10_001 }, (_, number) => String(number).padStart(5, '0'));
  for (let start = 1; start < tags.length; start += 2000)
    await log.appendMany(
      tags.slice(start, start + 2000).map((tag) => ({
        stream: tagStream(name, tag),
        expectedRevision: 'none' as const,
        events: [
          {
            ...{ id: newEventId(), type: 'TagAssigned', version: 1 },
            data: { repository: name, tag, digest },
            metadata: { actor: 'system' },
          },
        ],
      })),
    );
  const path = `/v2/${name}/tags/list`;
  await until('the last tag is listed', async () => {
    const { tags: rest } = await tagsOf('?last=09999', path);
    return rest.length === 1;
  });
  for (const query of ['', '?n=10000', '?n=1000000']) {
    const page = await tagsOf(query, path);
    assert.deepEqual(page.tags, tags.slice(0, 10_000));
    assert.equal(page.link, `<${path}?n=10000&last=09999>; rel="next"`);
  }
});
