import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import {
  type Answer,
  digestOf,
  imageOf,
  mediaTypes,
  pushBlob,
  pushImage,
  putManifest,
  refusalOf,
  send,
} from './client.ts';
import { decidedSince, openLogOf } from './server-log.ts';

const server = await startServer({ after });
const log = await openLogOf({ after }, server);
const repository = 'library/refused';
const at = (reference: string) => `/v2/${repository}/manifests/${reference}`;
const blob = await pushBlob(server, repository, '{}');
const manifest = imageOf(blob, []);

/** The push is refused, and nothing is recorded of it. */
async function isRefused(status: number, code: string, push: () => Promise<Answer>): Promise<Answer> {
  const head = await log.head();
  const answer = await push();
  assert.deepEqual(refusalOf(answer), [status, code], answer.body.toString().slice(0, 500));
  assert.deepEqual(await decidedSince(log, head), []);
  return answer;
}

test('what a manifest misses is listed with one error for each digest', async () => {
  const missing = ['a', 'b', 'a'].map((text) => ({ ...blob, digest: digestOf(text), size: 1 }));
  const answer = await isRefused(400, 'MANIFEST_BLOB_UNKNOWN', () =>
    putManifest(
      server,
      repository,
      'missing',
      imageOf({ ...blob, digest: digestOf('c') }, [blob, ...missing]),
    ),
  );
  const { errors } = JSON.parse(answer.body.toString());
  assert.deepEqual(
    errors.map(({ code, detail }: { code: string; detail: unknown }) => ({ code, detail })),
    ['c', 'a', 'b'].map((text) => ({ code: 'MANIFEST_BLOB_UNKNOWN', detail: { digest: digestOf(text) } })),
  );
  assert.equal((await send(server, 'HEAD', at('missing'))).status, 404);
});

test('a blob that only another repository holds is missing here', async () => {
  const elsewhere = await pushBlob(server, 'library/elsewhere', 'elsewhere');
  await isRefused(400, 'MANIFEST_BLOB_UNKNOWN', () =>
    putManifest(server, repository, 'foreign', imageOf(blob, [elsewhere])),
  );
});

test('a descriptor whose size is not that of its blob or manifest is refused, since no client could pull it', async () => {
  await isRefused(400, 'MANIFEST_INVALID', () =>
    putManifest(server, repository, 'size', imageOf({ ...blob, size: 3 }, [])),
  );
  await isRefused(400, 'MANIFEST_INVALID', () =>
    putManifest(server, repository, 'size', imageOf(blob, [blob, { ...blob, size: 1 }])),
  );
  const child = await pushImage(server, repository, 'child');
  const descriptor = { mediaType: mediaTypes.image, digest: child.digest, size: 1 };
  const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [descriptor] });
  await isRefused(400, 'MANIFEST_INVALID', () =>
    putManifest(server, repository, 'size', index, mediaTypes.index),
  );
});

test('bytes that have not the digest that they are pushed under are refused', async () => {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    await isRefused(400, 'DIGEST_INVALID', () =>
      putManifest(server, repository, digestOf(manifest, algorithm), `${manifest}  `),
    );
  }
});

for (const reference of ['sha256:baddigeststring', `md5:${'a'.repeat(32)}`, 'a:b', ':', 'sha256:']) {
  test(`the reference ${reference} is a bad digest and no tag`, async () => {
    await isRefused(400, 'DIGEST_INVALID', () => putManifest(server, repository, reference, manifest));
    assert.deepEqual(refusalOf(await send(server, 'GET', at(reference))), [400, 'DIGEST_INVALID']);
    assert.equal((await send(server, 'HEAD', at(reference))).status, 400);
  });
}

for (const tag of [
  '.a',
  '-a',
  'a'.repeat(129),
  'a+b',
  'caf%C3%A9',
  '%00',
  'a%0d%0ab',
  'a%2fb',
  '%252e',
  'a%20b',
]) {
  test(`the tag ${tag.slice(0, 20)} is refused`, async () => {
    await isRefused(400, 'TAG_INVALID', () => putManifest(server, repository, tag, manifest));
    assert.deepEqual(refusalOf(await send(server, 'GET', at(tag))), [400, 'TAG_INVALID']);
  });
}

const limit = 4 * 1024 * 1024;
/** A manifest of exactly `size` bytes. */
const sized = (size: number): Buffer => {
  const empty = Buffer.byteLength(imageOf(blob, [], { annotations: { a: '' } }));
  return Buffer.from(imageOf(blob, [], { annotations: { a: 'x'.repeat(size - empty) } }));
};
const inChunks = (bytes: Buffer) =>
  Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, i) =>
    bytes.subarray(i * 65_536, (i + 1) * 65_536),
  );

for (const [how, body] of Object.entries({
  'with its length': (bytes: Buffer) => bytes,
  'in chunks': inChunks,
})) {
  test(`a manifest of 4 MiB is taken ${how}, and one byte more is refused`, async () => {
    const headers = { 'content-type': mediaTypes.image };
    const largest = sized(limit);
    assert.equal(largest.length, limit);
    const put = await send(server, 'PUT', at('large'), { headers, body: body(largest) });
    assert.equal(put.status, 201, put.body.toString());
    const { body: stored } = await send(server, 'GET', at(digestOf(largest)));
    assert.ok(stored.equals(largest));

    await isRefused(413, 'SIZE_INVALID', () =>
      send(server, 'PUT', at('larger'), { headers, body: body(sized(limit + 1)) }),
    );
    assert.equal((await send(server, 'HEAD', at('larger'))).status, 404);
  });
}

test('a manifest that says that it has 10 GB is refused before it has come', async () => {
  await isRefused(413, 'SIZE_INVALID', () =>
    send(server, 'PUT', at('huge'), {
      headers: { 'content-type': mediaTypes.image, 'content-length': '10000000000' },
      body: [Buffer.from('{')],
    }),
  );
});

test('a manifest without an end is refused as soon as it has grown too large', async () => {
  async function* endless() {
    for (;;) yield Buffer.alloc(65_536, ' ');
  }
  await isRefused(413, 'SIZE_INVALID', () =>
    send(server, 'PUT', at('endless'), {
      headers: { 'content-type': mediaTypes.image },
      body: endless(),
    }),
  );
});

test('who goes on sending after the refusal is cut off after a while', async () => {
  const { hostname, port } = new URL(server.url);
  const socket = connect({ host: hostname, port: Number(port) });
  const closed = once(socket, 'close');
  socket.on('error', () => undefined);
  const authorization = Buffer.from(`admin:${server.password}`).toString('base64');
  socket.write(
    `PUT ${at('endless')} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Basic ${authorization}\r\n` +
      `Content-Type: ${mediaTypes.image}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  let heard = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    heard += text;
  });
  const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000, ' '), Buffer.from('\r\n')]);
  // The answer comes at once, and then nothing more is said.
  await until('the answer has come', () => {
    socket.write(chunk);
    return heard.includes('SIZE_INVALID');
  });
  assert.match(heard, /^HTTP\/1\.1 413 /);
  const sending = setInterval(() => socket.write(chunk), 100);
  await closed.finally(() => clearInterval(sending));
});

const malformed: Readonly<Record<string, [body: string | Buffer, contentType?: string]>> = {
  'no bytes': [''],
  'no JSON': ['hello'],
  'half of the JSON': [manifest.slice(0, -1)],
  'a list': ['[]'],
  null: ['null'],
  'an empty object': ['{}'],
  'bytes that are not UTF-8': [randomBytes(100)],
  'a byte order mark': [`\ufeff${manifest}`],
  'a field twice': [manifest.replace(/\}$/, ',"layers":[]}')],
  'the media type of an index': [manifest, mediaTypes.index],
  'a Content-Type that is none of a manifest': [manifest, 'text/plain'],
  'a Content-Type of 4 kB': [manifest, `x/${'y'.repeat(4096)}`],
  'the type of schema 1': [manifest, 'application/vnd.docker.distribution.manifest.v1+json'],
  'a type within that is none of a manifest': [manifest.replace(mediaTypes.image, 'application/json')],
  'a NUL in its artifactType': [imageOf(blob, [], { artifactType: 'a\0' })],
  'half a surrogate pair in its artifactType': [imageOf(blob, [], { artifactType: '\ud800' })],
  'too deep a nesting': [imageOf(blob, [], { x: JSON.parse(`${'['.repeat(100)}${']'.repeat(100)}`) })],
  'a million open lists': ['['.repeat(1_000_000)],
  '10,001 layers': [imageOf(blob, Array(10_001).fill(blob))],
  'a million urls that are none': [imageOf(blob, [{ ...blob, urls: Array(1_000_000).fill(1) }])],
};
for (const [fault, [body, contentType = mediaTypes.image]] of Object.entries(malformed)) {
  test(`a manifest with ${fault} is refused in few words, and the server goes on`, async () => {
    const answer = await isRefused(400, 'MANIFEST_INVALID', () =>
      putManifest(server, repository, 'malformed', body, contentType),
    );
    assert.ok(answer.body.length < 2000, `the answer has ${answer.body.length} bytes`);
    assert.equal((await putManifest(server, repository, 'well-formed', manifest)).status, 201);
  });
}

test('annotations may hold anything that JSON can, and the views go on', async () => {
  const annotations = { nul: 'a\0b', half: '\ud800', control: '\u0001\r\n', proto: '\u2028', '\0': '' };
  const odd = imageOf(blob, [], { annotations }).replace('"nul"', '"__proto__"');
  const put = await putManifest(server, repository, 'odd', odd);
  assert.equal(put.status, 201, put.body.toString());
  assert.equal((await send(server, 'GET', at('odd'))).body.toString(), odd);
});
