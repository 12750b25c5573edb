import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { digestOf, pushImage } from './client.ts';
import { askRaw, basic, head, refusal } from './raw.ts';
import { watchOver } from './unharmed.ts';

/* Names, tags, digests and paths that are none, written to the socket as they are. */

const server = await startServer({ after });
const { manifest } = await pushImage(server, 'library/hello', '1.0');
await pushImage(server, 'library/hello', 't'.repeat(128), '2');
const assertUnharmed = await watchOver({ after }, server);

const lines = [`host: ${server.registry}`, basic(server)];
const hex = 'a'.repeat(64);
const noName = [[400, 'NAME_INVALID']];
const noTag = [[400, 'TAG_INVALID']];
const noDigest = [[400, 'DIGEST_INVALID']];
const nowhere = [[404, 'UNSUPPORTED']];
const noUpload = [[404, 'BLOB_UPLOAD_UNKNOWN']];

const inName = (name: string) => `/v2/${name}/tags/list`;
const inReference = (reference: string) => `/v2/library/hello/manifests/${reference}`;
const inDigest = (digest: string) => `/v2/library/hello/blobs/${digest}`;
const inSession = (session: string) => `/v2/library/hello/blobs/uploads/${session}`;

const rows: readonly [what: string, path: string, wanted: (string | number)[][]][] = [
  ['steps up after /v2/', '/v2/../../etc/passwd', nowhere],
  ['steps up in a name', inName('library/../../x'), noName],
  ['escaped steps up', inName('%2e%2e/%2E%2E/x'), noName],
  ['steps up that are escaped twice', inName('%252e%252e/x'), noName],
  ['a backslash in a name', inName('library\\hello'), noName],
  ['an escaped backslash in a name', inName('library%5chello'), noName],
  ['a semicolon in a name', inName('library/hello;x'), noName],
  ['a semicolon before the end of a path', '/v2/library/hello;/tags/list', noName],
  ['an empty component', inName('/library/hello'), noName],
  ['two slashes within a name', inName('library//hello'), noName],
  ['upper case in a name', inName('Library/hello'), noName],
  ['a name of 256 characters', inName(`library/${'a'.repeat(248)}`), noName],
  // As long as a header block may be: there is nothing to complain of but the name.
  ['a name of 8000 characters', inName('a'.repeat(8000)), noName],
  ['300 components', inName(Array(300).fill('a').join('/')), noName],
  ['a name that ends in -', inName('library/hello-'), noName],
  ['a component that begins with .', inName('library/.hello'), noName],
  ['___ in a name', inName('library/a___b'), noName],
  ['.- in a name', inName('library/a.-b'), noName],
  ['a letter outside ASCII in a name', inName('caf%C3%A9'), noName],
  ['letters of full width in a name', inName('%EF%BD%8C%EF%BD%89b'), noName],
  ['the Kelvin sign in a name', inName('%E2%84%AAelvin'), noName],
  ['a name that could be normalised', inName('caf%65%CC%81'), noName],
  ['a NUL in a name', inName('library/a%00b'), noName],
  ['CR and LF in a name', inName('library/a%0d%0aset-cookie:%20x=y'), noName],
  ['a broken escape in a name', inName('library/%zz'), noName],
  ['a name in an overlong encoding', inName('library/%c0%af'), noName],
  ['bytes that are no UTF-8 as a tag', inReference('%ff%fe'), noName],
  ['a NUL in a tag', inReference('a%00b'), noTag],
  ['CR and LF in a tag', inReference('a%0d%0aset-cookie%20x'), noTag],
  ['a tag of 129 characters', inReference('t'.repeat(129)), noTag],
  ['a tag that begins with .', inReference('.a'), noTag],
  ['a tag that begins with -', inReference('-a'), noTag],
  ['the tag ..', inReference('..'), noTag],
  ['the tag %2e%2e', inReference('%2e%2e'), noTag],
  ['a tag with a slash', inReference('a%2fb'), noTag],
  ['no digest at all', inReference('sha256:baddigeststring'), noDigest],
  ['a digest that is too short', inDigest(`sha256:${hex.slice(1)}`), noDigest],
  ['a digest that is too long', inDigest(`sha256:${hex}a`), noDigest],
  ['a digest in upper case', inDigest(`sha256:${hex.toUpperCase()}`), noDigest],
  ['text after a digest', inDigest(`sha256:${hex}.json`), noDigest],
  ['CR and LF after a digest', inDigest(`sha256:${hex}%0d%0a`), noDigest],
  ['md5', inDigest(`md5:${'a'.repeat(32)}`), noDigest],
  ['sha1', inDigest(`sha1:${'a'.repeat(40)}`), noDigest],
  ['sha384', inDigest(`sha384:${'a'.repeat(96)}`), noDigest],
  ['a digest with a dash for the colon', inDigest(`sha256-${hex}`), noDigest],
  ['steps up as a digest', inDigest('sha256:..'), noDigest],
  ['an escaped path as a digest', inDigest('sha256:..%2f..%2fetc%2fpasswd'), noDigest],
  // The end of the path decides: it is a name with a slash too many, or no route.
  ['a path as a digest', inDigest('sha256:../../etc/passwd'), nowhere],
  ['a tag of 8000 characters', inReference('t'.repeat(8000)), noTag],
  ['a digest of 8000 characters', inDigest(`sha256:${'a'.repeat(8000)}`), noDigest],
  ['a session of 8000 characters', inSession('a'.repeat(8000)), noUpload],
  ['CR and LF in a session', inSession('a%0d%0aset-cookie:%20x=y'), noUpload],
  ['a path as a session', inSession('..%2f..%2fetc%2fpasswd'), noUpload],
  ['a NUL in a session', inSession(`${randomUUID()}%00`), noUpload],
];

for (const [what, path, wanted] of rows) {
  test(`${what} leads nowhere, and nothing of it comes back as a header`, async (t) => {
    const answer = await askRaw(t, server, head(`GET ${path} HTTP/1.1`, ...lines));
    assert.deepEqual([refusal(answer)], wanted);
    assert.doesNotMatch(JSON.stringify(answer.headers), /set-cookie|location|\.\./);
    assert.doesNotMatch(answer.body, /\ufffd|\0|etc\/passwd|root:/);
    assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
  });
}

test('what is no name can be written to as little as read from', async (t) => {
  for (const [what, path] of rows.filter(([, , wanted]) => wanted === noName)) {
    const write = path.replace('/tags/list', '/blobs/uploads/');
    const answer = await askRaw(t, server, head(`POST ${write} HTTP/1.1`, ...lines, 'content-length: 0'));
    assert.ok([400, 405].includes(answer.status), `${what}: ${answer.status}`);
    assert.equal(answer.headers.location, undefined);
  }
});

test('a bad reference is refused before the manifest under it is read', async (t) => {
  for (const [reference, code] of [
    ['sha256:baddigeststring', 'DIGEST_INVALID'],
    [`md5:${'a'.repeat(32)}`, 'DIGEST_INVALID'],
    ['t'.repeat(129), 'TAG_INVALID'],
    ['a%0d%0ab', 'TAG_INVALID'],
  ] as const) {
    const lengths = ['content-type: application/vnd.oci.image.manifest.v1+json', 'content-length: 1000'];
    const put = head(`PUT ${inReference(reference)} HTTP/1.1`, ...lines, ...lengths);
    assert.deepEqual(refusal(await askRaw(t, server, put)), [400, code], reference);
  }
});

test('an escaped slash of a name is that slash, to the router and to the one who permits', async (t) => {
  for (const name of ['library%2fhello', 'library%2Fhello', 'library/hell%6F']) {
    const get = head(`GET /v2/${name}/manifests/1.0 HTTP/1.1`, ...lines);
    assert.equal((await askRaw(t, server, get)).body, manifest);
  }
  const foreign = head(
    'GET /v2/private%2f..%2flibrary%2fhello/manifests/1.0 HTTP/1.1',
    `host: ${server.registry}`,
  );
  assert.deepEqual(refusal(await askRaw(t, server, foreign)), [400, 'NAME_INVALID']);
});

test('a tag of 128 characters, and a digest, are what they should be', async (t) => {
  for (const reference of ['t'.repeat(128), digestOf(manifest), digestOf(manifest).replace(':', '%3a')]) {
    const answer = await askRaw(t, server, head(`GET ${inReference(reference)} HTTP/1.1`, ...lines));
    assert.equal(answer.status, 200, reference);
  }
});

assertUnharmed();
