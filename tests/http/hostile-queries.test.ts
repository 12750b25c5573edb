import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import {
  digestOf,
  imageOf,
  mediaTypes,
  pushBlob,
  pushImage,
  putManifest,
  send,
  startUpload,
} from './client.ts';
import { askRaw, basic, head, refusal } from './raw.ts';
import { watchOver } from './unharmed.ts';

/* What stands after the question mark, written to the socket as it is. */

const server = await startServer({ after });
const repository = 'library/hello';
const { digest, manifest: subject } = await pushImage(server, repository, '1.0');
await pushImage(server, 'library/world', '1.0');
const config = await pushBlob(server, repository, '{}');
const signature = imageOf(config, [], {
  artifactType: 'application/x',
  subject: { mediaType: mediaTypes.image, digest, size: subject.length },
});
await putManifest(server, repository, 'signature', signature);
const assertUnharmed = await watchOver({ after }, server);

const lines = [`host: ${server.registry}`, basic(server)];
const content = 'ten bytes.';
const wanted = digestOf(content);

const digests: readonly string[] = [
  `digest=${wanted}&digest=${wanted}`,
  `digest=&digest=${wanted}`,
  `digest=${wanted}&digest=`,
  `digest=${wanted}%0d%0aset-cookie:%20x`,
  `digest=${wanted}%00`,
  'digest=sha256:../../../etc/passwd',
  `digest=${wanted.toUpperCase()}`,
  `DIGEST=${wanted}`,
];
for (const query of digests) {
  test(`a closing PUT with ${query.slice(0, 30)}… ${query.slice(-20)} is refused, and the upload goes on`, async (t) => {
    const path = await startUpload(server, repository);
    const put = head(`PUT ${path}?${query} HTTP/1.1`, ...lines, `content-length: ${content.length}`);
    const answer = await askRaw(t, server, put + content);
    assert.deepEqual(refusal(answer), [400, 'DIGEST_INVALID']);
    assert.doesNotMatch(JSON.stringify(answer.headers), /set-cookie|passwd/);
    assert.equal((await send(server, 'GET', path)).headers.range, '0-0');
    assert.equal((await send(server, 'HEAD', `/v2/${repository}/blobs/${wanted}`)).status, 404);
  });
}

const manifest = imageOf(config, [], { annotations: { pushed: 'never' } });
const tags: readonly [what: string, query: string, status: number][] = [
  ['CR and LF in one', 'tag=a%0d%0aoci-tag:%20b', 400],
  ['a NUL in one', 'tag=good&tag=a%00', 400],
  [
    'a bad one after 49 good ones',
    `${Array.from({ length: 49 }, (_, n) => `tag=t${n}`).join('&')}&tag=..`,
    400,
  ],
  ['a bad one a thousand times', Array(1000).fill('tag=-').join('&'), 400],
  ['one in an overlong encoding', 'tag=%c0%af', 400],
  ['51 of them', Array.from({ length: 51 }, (_, n) => `tag=t${n}`).join('&'), 414],
];
for (const [what, query, status] of tags) {
  test(`a push whose tags have ${what} writes nothing`, async (t) => {
    const path = `/v2/${repository}/manifests/${digestOf(manifest)}`;
    const length = `content-length: ${manifest.length}`;
    const put = head(`PUT ${path}?${query} HTTP/1.1`, ...lines, `content-type: ${mediaTypes.image}`, length);
    const answer = await askRaw(t, server, put + manifest);
    assert.deepEqual(refusal(answer), [status, 'TAG_INVALID']);
    assert.equal(answer.headers['oci-tag'], undefined);
    assert.equal((await send(server, 'HEAD', path)).status, 404);
  });
}

const all = ['library/hello', 'library/world'];
const places: readonly [what: string, last: string, wanted: readonly string[] | undefined][] = [
  ['10 kB', 'a'.repeat(10_000), undefined],
  ['a NUL', 'library%00', undefined],
  ['CR and LF', 'library%0d%0ax:%20y', all],
  ['a percent sign', '%25', all],
  ['the pattern of all', 'library/%25_', all],
  ['an apostrophe', "library/hello'", ['library/world']],
  ['a statement of SQL', "';drop%20table%20tags;--", all],
  ['a backslash', 'library/hello\\', ['library/world']],
  ['no repository', 'library/i', ['library/world']],
  ['a path', '../../etc/passwd', all],
  ['the last of all', 'zzz', []],
];
for (const [what, last, found] of places) {
  test(`repositories after ${what} are those that sort after it, or it is refused`, async (t) => {
    const answer = await askRaw(t, server, head(`GET /v2/_catalog?last=${last} HTTP/1.1`, ...lines));
    if (found === undefined) assert.deepEqual(refusal(answer), [400, 'NAME_INVALID']);
    else assert.deepEqual(JSON.parse(answer.body), { repositories: found });
  });
}

test('bytes that are no UTF-8 are a place in a list, or refused', async (t) => {
  for (const path of ['/v2/_catalog', `/v2/${repository}/tags/list`])
    for (const last of ['%ff%fe', '%c0%af', '%ed%a0%80', '%', '%zz']) {
      const answer = await askRaw(t, server, head(`GET ${path}?n=1&last=${last} HTTP/1.1`, ...lines));
      assert.ok([200, 400].includes(answer.status), `${path} ${last}: ${answer.status}`);
    }
});

test('what else stands in a query comes back in a link as that, and as nothing else', async (t) => {
  for (const more of [
    'x=%3e%3b%20rel=%22next',
    'x=%0d%0aset-cookie:%20a',
    "x=<>'",
    'x[]=1&x[a]=2',
    '__proto__=1',
  ]) {
    const answer = await askRaw(t, server, head(`GET /v2/_catalog?n=1&${more} HTTP/1.1`, ...lines));
    assert.match(answer.headers.link ?? '', /^<\/v2\/_catalog\?[\w.~%=&+*-]+>; rel="next"$/, more);
    assert.equal(answer.headers['set-cookie'], undefined);
  }
});

const filters: readonly string[] = ['*', '%25', '_', "'", '\\', '%ff', 'application/*', '.*'];
for (const filter of filters) {
  test(`the filter ${filter} of referrers is a type like any other, and no pattern`, async (t) => {
    const path = `/v2/${repository}/referrers/${digest}?artifactType=${filter}`;
    const answer = await askRaw(t, server, head(`GET ${path} HTTP/1.1`, ...lines));
    assert.deepEqual([answer.status, JSON.parse(answer.body).manifests], [200, []]);
    const { body } = await askRaw(t, server, head(`GET ${path.split('?')[0]} HTTP/1.1`, ...lines));
    assert.equal(JSON.parse(body).manifests.length, 1);
  });
}

test('nobody asks the addresses that a query names', async (t) => {
  let asked = 0;
  const internal = createServer(() => {
    asked += 1;
  }).listen(0, '127.0.0.1');
  t.after(() => internal.close());
  await once(internal, 'listening');
  const address = `127.0.0.1:${(internal.address() as AddressInfo).port}`;
  for (const [method, path, status] of [
    ['GET', `/v2/${repository}/manifests/1.0?ns=${address}`, 200],
    ['GET', `/v2/${repository}/manifests/none?ns=http://${address}`, 404],
    ['GET', `/v2/${address}/hello/manifests/1.0`, 400],
    ['GET', `/v2/${repository}/blobs/${wanted}?ns=file:///etc/passwd`, 404],
    ['POST', `/v2/${repository}/blobs/uploads/?mount=${wanted}&from=${address}/hello`, 202],
  ] as const) {
    const answer = await askRaw(t, server, head(`${method} ${path} HTTP/1.1`, ...lines, 'content-length: 0'));
    assert.equal(answer.status, status, path);
  }
  assert.equal(asked, 0);
});

assertUnharmed();
