import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { digestOf, imageOf, mediaTypes, pushBlob, pushImage, putManifest, send } from './client.ts';
import { askRaw, basic, head, openRaw, refusal } from './raw.ts';
import { watchOver } from './unharmed.ts';

const server = await startServer({ after });
const blob = await pushBlob(server, 'library/hello', '{}');
await pushImage(server, 'library/hello', '1.0');
const assertUnharmed = await watchOver({ after }, server);

const lines = [`host: ${server.registry}`, basic(server)];
const path = '/v2/library/hello/manifests/hostile';
const image = `content-type: ${mediaTypes.image}`;
const limit = 4 * 1024 * 1024;
const good = imageOf(blob, [blob]);
/** A good manifest with one part of its text replaced. */
const but = (part: string, other: string): string => {
  assert.ok(good.includes(part));
  return good.replace(part, other);
};
const hex = 'a'.repeat(64);

for (const length of [limit + 1, 10_000_000_000, 2 ** 53 - 1]) {
  test(`a manifest that says that it has ${length} bytes is refused before any of it has come`, async (t) => {
    const answer = await askRaw(
      t,
      server,
      head(`PUT ${path} HTTP/1.1`, ...lines, image, `content-length: ${length}`),
    );
    assert.deepEqual(refusal(answer), [413, 'SIZE_INVALID']);
  });
}

test('manifests without an end are refused at the limit, take no memory, and lose their connections', async (t) => {
  const residentMiB = async () => {
    const status = await readFile(`/proc/${server.pid()}/status`, 'utf8').catch(() => '');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
  };
  const before = await residentMiB();
  const piece = Buffer.alloc(1024 * 1024, ' ');
  const chunk = Buffer.concat([Buffer.from('100000\r\n'), piece, Buffer.from('\r\n')]);
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      const connection = openRaw(t, server);
      let sent = 0;
      const send = (): void => {
        // Goes on after the refusal, until the server has had enough of it.
        if (connection.socket.destroyed || sent === 200) return;
        sent += 1;
        connection.socket.write(chunk, send);
      };
      connection.write(head(`PUT ${path} HTTP/1.1`, ...lines, image, 'transfer-encoding: chunked'));
      send();
      assert.deepEqual(refusal(await connection.answer()), [413, 'SIZE_INVALID']);
      await connection.closed();
    }),
  );
  const more = (await residentMiB()) - before;
  assert.ok(more < 200, `${Math.round(more)} MiB more than before`);
});

const malformed: readonly [what: string, body: string | Uint8Array][] = [
  ['no byte', ''],
  ['a truncated document', good.slice(0, -1)],
  ['a list', '[]'],
  ['a text', '"x"'],
  ['a number', '1'],
  ['null', 'null'],
  ['an empty object', '{}'],
  ['100,000 lists in one another', '['.repeat(100_000)],
  ['100,000 lists in one another, all closed', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
  ['200,000 layers', imageOf(blob, Array(20_000).fill(blob))],
  ['layers twice', but('"layers":', '"layers":[],"layers":')],
  ['a digest twice', but('"digest":', `"digest":"sha256:${hex}","digest":`)],
  ['a key twice, once escaped', but('"layers":', '"l\\u0061yers":[],"layers":')],
  ['a byte order mark', `\ufeff${good}`],
  ['text after its end', `${good}x`],
  ['two documents', good + good],
  ['a comment', but('{', '{/* */')],
  ['NaN', but('"schemaVersion":2', '"schemaVersion":NaN')],
  ['a comma too many', but('}]', '},]')],
  ['bytes that are no UTF-8', Buffer.from(but('"layers"', '"x":"\xff","layers"'), 'latin1')],
  ['an overlong encoding', Buffer.from(but('"layers"', '"x":"\xc0\xaf","layers"'), 'latin1')],
  ['a negative size', but('"size":2', '"size":-2')],
  ['a size beyond any number', but('"size":2', '"size":1e308')],
  ['a size of 2^63', but('"size":2', '"size":9223372036854775808')],
  ['a size in quotes', but('"size":2', '"size":"2"')],
  ['a size with a fraction', but('"size":2', '"size":2.5')],
  ['a size that is not that of the blob', but('"size":2', '"size":3')],
  ['another media type than its Content-Type', but(mediaTypes.image, mediaTypes.index)],
  ['layers and manifests', but('"layers":', '"manifests":[],"layers":')],
  [
    'a subject of no digest',
    but('"layers":', '"subject":{"mediaType":"a/b","size":1,"digest":"sha256:x"},"layers":'),
  ],
  [
    'a subject in another algorithm',
    but('"layers":', `"subject":{"mediaType":"a/b","size":1,"digest":"md5:${hex}"},"layers":`),
  ],
  [
    'a subject that is a path',
    but('"layers":', '"subject":{"mediaType":"a/b","size":1,"digest":"sha256:../../x"},"layers":'),
  ],
  ['annotations that are a list', but('"layers":', '"annotations":["a"],"layers":')],
];
for (const [what, body] of malformed) {
  test(`a manifest with ${what} is refused as invalid`, async (t) => {
    const bytes = Buffer.from(body);
    const request = head(`PUT ${path} HTTP/1.1`, ...lines, image, `content-length: ${bytes.length}`);
    const connection = openRaw(t, server);
    connection.write(request);
    connection.write(bytes);
    const answer = await connection.answer();
    assert.deepEqual(refusal(answer), [400, 'MANIFEST_INVALID']);
    assert.ok(answer.body.length < 10_000, 'the answer does not grow with the manifest');
  });
}

const types: readonly [what: string, ...lines: string[]][] = [
  ['text', 'content-type: text/plain'],
  ['JSON of no kind', 'content-type: application/json'],
  ['a manifest of schema 1', 'content-type: application/vnd.docker.distribution.manifest.v1+prettyjws'],
  ['nothing', 'content-type:'],
  ['no media type', 'content-type: x'],
  ['half a media type', 'content-type: application/'],
  ['a media type with a space', 'content-type: application/vnd.oci image'],
  ['4 kB', `content-type: application/${'x'.repeat(4096)}`],
  ['bytes outside ASCII', 'content-type: application/\xff'],
  ['two types in one header', `content-type: ${mediaTypes.image}, ${mediaTypes.index}`],
  ['two types in two headers', image, `content-type: ${mediaTypes.index}`],
  ['one type in two headers', image, image],
];
for (const [what, ...given] of types) {
  test(`a manifest whose Content-Type is ${what} is refused as invalid`, async (t) => {
    const request = head(`PUT ${path} HTTP/1.1`, ...lines, ...given, `content-length: ${good.length}`) + good;
    const answer = await askRaw(t, server, Buffer.from(request, 'latin1'));
    assert.deepEqual(refusal(answer), [400, 'MANIFEST_INVALID']);
  });
}

// What is pushed from here on is taken.
assertUnharmed();

test('without a Content-Type the media type in the manifest counts, and parameters never do', async (t) => {
  for (const given of [[], [`${image}; charset=utf-8`], [`${image} ;; x=`]]) {
    const request = head(`PUT ${path} HTTP/1.1`, ...lines, ...given, `content-length: ${good.length}`) + good;
    assert.equal((await askRaw(t, server, request)).status, 201, String(given));
    const get = await send(server, 'GET', path);
    assert.deepEqual([get.headers['content-type'], get.body.toString()], [mediaTypes.image, good]);
  }
});

const strange: readonly [what: string, manifest: string][] = [
  [
    'keys that JavaScript knows',
    but('"layers":', '"__proto__":{"a":1},"constructor":{"prototype":{"b":2}},"layers":'),
  ],
  ['halves of characters', but('"layers":', '"annotations":{"a":"\\ud800","\\udfff":"b"},"layers":')],
  ['NULs', but('"layers":', '"annotations":{"a":"\\u0000"},"layers":')],
  [
    'control characters and what looks like headers',
    but('"layers":', '"annotations":{"a":"\\r\\nset-cookie: x=y\\u001b[2J"},"layers":'),
  ],
  ['an annotation of 3.9 MB', but('"layers":', `"annotations":{"a":"${'x'.repeat(3_900_000)}"},"layers":`)],
  ['a subject that is a blob', but('"layers":', `"subject":${JSON.stringify(blob)},"layers":`)],
  [
    'a subject of another size',
    but(
      '"layers":',
      `"subject":{"mediaType":"${mediaTypes.image}","size":1,"digest":"${digestOf(good)}"},"layers":`,
    ),
  ],
];
for (const [what, manifest] of strange) {
  test(`a manifest with ${what} comes back byte for byte`, async () => {
    const put = await putManifest(server, 'library/hello', 'strange', manifest);
    assert.equal(put.status, 201, put.body.toString());
    const get = await send(server, 'GET', `/v2/library/hello/manifests/${digestOf(manifest)}`);
    assert.equal(get.body.toString(), manifest);
    assert.equal((await send(server, 'GET', '/v2/library/hello/tags/list')).status, 200);
  });
}

test('addresses in a manifest are never asked', async (t) => {
  let asked = 0;
  const internal = createServer(() => {
    asked += 1;
  }).listen(0, '127.0.0.1');
  t.after(() => internal.close());
  await once(internal, 'listening');
  const { port } = internal.address() as AddressInfo;
  const urls = [`http://127.0.0.1:${port}/x`, 'file:///etc/passwd', `gopher://127.0.0.1:${port}`];
  const put = await putManifest(server, 'library/hello', 'urls', imageOf(blob, [{ ...blob, urls }]));
  assert.equal(put.status, 201, put.body.toString());
  assert.equal((await send(server, 'GET', '/v2/library/hello/manifests/urls')).status, 200);
  assert.equal(asked, 0);
});
