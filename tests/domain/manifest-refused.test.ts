import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mediaTypes, parseManifest } from '../../domain/artifact/manifest.ts';
import { Refusal } from '../../domain/refusal.ts';
import { child, config, image, index, layer } from './manifests.ts';

/** The fault that is found; it goes to the client, so it is short whatever the manifest holds. */
function faultOf(bytes: Uint8Array | string, contentType?: string): string {
  try {
    parseManifest(Buffer.from(bytes), contentType);
  } catch (error) {
    assert.ok(error instanceof Refusal, `a Refusal and not ${error}`);
    assert.equal(error.reason.kind, 'manifest-invalid');
    const { fault } = error.reason;
    assert.ok(fault.length > 0 && fault.length <= 1000, `the fault has ${fault.length} characters`);
    return fault;
  }
  return assert.fail('the manifest was taken');
}

const text = JSON.stringify(image);
const { config: _config, ...withoutConfig } = image;
const { layers: _layers, ...withoutLayers } = image;
const { manifests: _manifests, ...withoutManifests } = index;
const { schemaVersion: _version, ...withoutVersion } = image;
const { mediaType: _type, ...unnamed } = image;

const documents: Readonly<Record<string, unknown>> = {
  'is null': null,
  'is a number': 1,
  'is a text': 'x',
  'is a list': [],
  'is empty': {},
  'has no schemaVersion': withoutVersion,
  'has schemaVersion 1': { ...image, schemaVersion: 1 },
  'has its schemaVersion as a text': { ...image, schemaVersion: '2' },
  'has no config': withoutConfig,
  'has null for a config': { ...image, config: null },
  'has no layers': withoutLayers,
  'has null for layers': { ...image, layers: null },
  'has an object for layers': { ...image, layers: {} },
  'has a layer that is a text': { ...image, layers: ['x'] },
  'is an index without manifests': withoutManifests,
  'is an index with layers': { ...index, layers: [] },
  'is an index with a config': { ...index, config },
  'is an image with manifests': { ...image, manifests: [] },
  'is an index under the media type of an image': { ...index, mediaType: mediaTypes.ociManifest },
  'is an image under the media type of an index': { ...image, mediaType: mediaTypes.ociIndex },
  'has a media type that is no text': { ...image, mediaType: 1 },
  'has the media type of schema 1': {
    ...image,
    mediaType: 'application/vnd.docker.distribution.manifest.v1+json',
  },
  'has a media type that nobody knows': { ...image, mediaType: 'application/json' },
  'has no media type at all': unnamed,
  'has an artifactType that is no text': { ...image, artifactType: {} },
  'has an artifactType of 256 characters': { ...image, artifactType: 'a'.repeat(256) },
  'has an artifactType with a NUL': { ...image, artifactType: 'a\0b' },
  'has an artifactType with half a surrogate pair': { ...image, artifactType: 'a\ud800' },
  'has an artifactType with a line break': { ...image, artifactType: 'a\r\nb' },
  'has a layer whose media type has a NUL': { ...image, layers: [{ ...layer, mediaType: 'a\0' }] },
  'has a subject that is no descriptor': { ...image, subject: 'x' },
  'has a subject with a bad digest': { ...image, subject: { ...child, digest: 'sha256:abc' } },
  'has annotations that are a list': { ...image, annotations: [] },
  'has annotations that are a text': { ...image, annotations: 'x' },
  'has null for annotations': { ...image, annotations: null },
  'has an annotation that is a number': { ...image, annotations: { a: 1 } },
  'has an annotation that is an object': { ...image, annotations: { a: {} } },
  'has urls that are no list': { ...image, layers: [{ ...layer, urls: 'https://example.com' }] },
  'has a url that is no text': { ...image, layers: [{ ...layer, urls: [1] }] },
  'has 10,001 layers': { ...image, layers: Array(10_001).fill(layer) },
  'has 10,001 children': { ...index, manifests: Array(10_001).fill(child) },
};
for (const [fault, document] of Object.entries(documents)) {
  test(`a manifest is refused that ${fault}`, () => {
    faultOf(JSON.stringify(document));
  });
}

const descriptors: Readonly<Record<string, object>> = {
  'no media type': { digest: config.digest, size: 1 },
  'no digest': { mediaType: 'a', size: 1 },
  'no size': { mediaType: 'a', digest: config.digest },
  'a digest of an algorithm that is not supported': { ...config, digest: `md5:${'a'.repeat(32)}` },
  'an upper-case digest': { ...config, digest: config.digest.replaceAll('a', 'A') },
  'a negative size': { ...config, size: -1 },
  'a fraction for a size': { ...config, size: 1.5 },
  'a size that is a text': { ...config, size: '12' },
  'a size of 2 to the 53': { ...config, size: 2 ** 53 },
  'a size beyond all numbers': { ...config, size: 1e308 },
};
for (const [fault, descriptor] of Object.entries(descriptors)) {
  test(`a manifest is refused when a descriptor in it has ${fault}`, () => {
    assert.match(faultOf(JSON.stringify({ ...image, config: descriptor })), /config/);
    assert.match(faultOf(JSON.stringify({ ...image, layers: [layer, descriptor] })), /layers\[1\]/);
    assert.match(faultOf(JSON.stringify({ ...index, manifests: [descriptor] })), /manifests\[0\]/);
    assert.match(faultOf(JSON.stringify({ ...image, subject: descriptor })), /subject/);
  });
}

const many = (part: (n: number) => string): string =>
  Array.from({ length: 100_000 }, (_, n) => part(n)).join();
const texts: Readonly<Record<string, Uint8Array | string>> = {
  'no bytes': '',
  'half of its bytes': text.slice(0, text.length / 2),
  'text after it': `${text}x`,
  'a second document after it': `${text}${text}`,
  'a byte order mark': `\ufeff${text}`,
  'a comment': text.replace('{', '{/* */'),
  'NaN for a size': text.replace('"size":2', '"size":NaN'),
  'bytes that are not UTF-8': Buffer.concat([
    Buffer.from(`${text.slice(0, -1)},"x":"`),
    Buffer.from([0xff, 0xfe]),
    Buffer.from('"}'),
  ]),
  'overlong UTF-8': Buffer.concat([
    Buffer.from(`${text.slice(0, -1)},"x":"`),
    Buffer.from([0xc0, 0xaf]),
    Buffer.from('"}'),
  ]),
  'UTF-16': Buffer.from(text, 'utf16le'),
  'lists nested deeper than any reader likes': `${text.slice(0, -1)},"x":${'['.repeat(65)}${']'.repeat(65)}}`,
  'a million open lists': '['.repeat(1_000_000),
  'a hundred thousand names': `${text.slice(0, -1)},"x":{${many((n) => `"${n}":1`)}}}`,
  'a hundred thousand names of annotations': `${text.slice(0, -1)},"annotations":{${many((n) => `"${n}":"x"`)}}}`,
  'a hundred thousand objects': `${text.slice(0, -1)},"x":[${many(() => '{}')}]}`,
  'a hundred thousand lists': `${text.slice(0, -1)},"x":[${many(() => '[]')}]}`,
};
for (const [fault, bytes] of Object.entries(texts)) {
  test(`a manifest is refused with ${fault}`, () => {
    assert.match(faultOf(bytes, mediaTypes.ociManifest), /^it is not JSON in UTF-8: /);
  });
}

const repeated: Readonly<Record<string, string>> = {
  layers: text.replace(/\}$/, ',"layers":[]}'),
  config: text.replace('{', `{"config":${JSON.stringify(config)},`),
  mediaType: text.replace(/\}$/, `,"mediaType":${JSON.stringify(mediaTypes.ociManifest)}}`),
  digest: text.replace('"size":2', `"size":2,"digest":"${layer.digest}"`),
};
for (const [name, bytes] of Object.entries(repeated)) {
  test(`a manifest that has ${name} twice is refused, since readers differ in which one they take`, () => {
    assert.match(faultOf(bytes), new RegExp(`"${name}" twice`));
  });
}

test('a name is the same name however it is escaped', () => {
  assert.match(faultOf(text.replace(/\}$/, ',"\\u006cayers" :[]}')), /"layers" twice/);
});

test('a name is free again in another object, and a text is no name', () => {
  const annotations = { layers: 'layers', 'a\\"b': '"layers":', digest: 'config":' };
  const more = { x: [{ a: 1 }, { a: 1 }], y: { a: { a: { a: 'a' } } }, z: ['a', 'a'] };
  parseManifest(Buffer.from(JSON.stringify({ ...image, annotations, ...more }, null, 2)), undefined);
});

test('the media type inside must be that of the Content-Type', () => {
  assert.match(faultOf(text, mediaTypes.dockerManifest), /Content-Type/);
  assert.match(faultOf(text, mediaTypes.ociIndex), /./);
});

test('a Docker manifest names its media type inside', () => {
  assert.match(faultOf(JSON.stringify(unnamed), mediaTypes.dockerManifest), /mediaType/);
});

test('a Content-Type that is none of a manifest is refused, also when the manifest itself names one', () => {
  for (const contentType of [
    'text/plain',
    'application/json',
    'application/octet-stream',
    'application/+json',
    `application/vnd.${'y'.repeat(4096)}`,
  ]) {
    assert.match(faultOf(text, contentType), /^the media type /);
  }
});

test('as many faults as fit into 4 MiB make a short answer', () => {
  const many = '1,'.repeat(9_999);
  assert.match(faultOf(text.replace(/"layers":\[.*?\]/, `"layers":[${many}1]`)), /layers\[0\]/);
  const annotations = Array.from({ length: 90_000 }, (_, i) => `"${i}":1`).join(',');
  assert.match(faultOf(text.replace(/\}$/, `,"annotations":{${annotations}}}`)), /annotations/);
  const urls = { ...layer, urls: Array(1_000_000).fill(1) };
  assert.match(faultOf(JSON.stringify({ ...image, layers: [urls] })), /urls/);
  faultOf(JSON.stringify({ ...image, mediaType: 'x'.repeat(4_000_000) }));
});

test('Docker schema 1 is refused with words that say what to do, whatever the document', () => {
  for (const type of ['v1+json', 'v1+prettyjws'])
    assert.match(
      faultOf(text, `application/vnd.docker.distribution.manifest.${type}`),
      /schema 1 .* schema 2/,
    );
});

test('a manifest of an unknown type is an object, and what it says of subject and mediaType is well formed', () => {
  const type = 'application/vnd.example.thing';
  for (const document of ['[]', '"x"', '1', 'null']) faultOf(document, type);
  assert.match(faultOf('{"subject":{"digest":"sha256:no"}}', type), /subject/);
  assert.match(faultOf('{"mediaType":"application/vnd.other"}', type), /mediaType/);
  const digests = Array.from({ length: 10_001 }, (_, n) => ({
    digest: `sha256:${String(n).padStart(64, '0')}`,
  }));
  assert.match(faultOf(JSON.stringify({ digests }), type), /more than 10000 digests/);
});
