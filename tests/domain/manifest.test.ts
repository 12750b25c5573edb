import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mediaTypes, needsOf, parseManifest, referencesOf } from '../../domain/artifact/manifest.ts';
import { child, config, digestA, digestB, image, index, layer } from './manifests.ts';

const parse = (document: unknown, contentType?: string) =>
  parseManifest(Buffer.from(JSON.stringify(document)), contentType);

test('an OCI image manifest is read with its config and layers', () => {
  assert.deepEqual(parse(image, mediaTypes.ociManifest), {
    mediaType: mediaTypes.ociManifest,
    config,
    layers: [layer],
    manifests: [],
    mentions: [],
  });
});

test('an OCI index is read with its children', () => {
  assert.deepEqual(parse(index, mediaTypes.ociIndex), {
    mediaType: mediaTypes.ociIndex,
    layers: [],
    manifests: [child],
    mentions: [],
  });
});

test('a Docker manifest of schema 2 is read like an image manifest', () => {
  const docker = { ...image, mediaType: mediaTypes.dockerManifest };
  assert.deepEqual(parse(docker, mediaTypes.dockerManifest), {
    mediaType: mediaTypes.dockerManifest,
    config,
    layers: [layer],
    manifests: [],
    mentions: [],
  });
});

test('a Docker manifest list is read like an index', () => {
  const docker = { ...index, mediaType: mediaTypes.dockerList };
  assert.deepEqual(parse(docker, mediaTypes.dockerList), {
    mediaType: mediaTypes.dockerList,
    layers: [],
    manifests: [child],
    mentions: [],
  });
});

test('subject, artifactType and annotations of both kinds are read', () => {
  const more = {
    subject: { mediaType: mediaTypes.ociIndex, digest: digestB, size: 7 },
    artifactType: 'application/vnd.example.sbom.v1',
    annotations: { 'org.example.key': 'value', empty: '' },
  };
  for (const document of [image, index]) {
    const { subject, artifactType, annotations } = parse({ ...document, ...more });
    assert.deepEqual({ subject, artifactType, annotations }, more);
  }
});

test('of a descriptor the media type, digest and size are read, and what else it says is left alone', () => {
  const more = { data: 'e30=', urls: ['https://example.com/'], platform: { os: 'linux' }, annotations: {} };
  const { config: read, layers } = parse({
    ...image,
    config: { ...config, ...more },
    layers: [{ ...layer, ...more }],
  });
  assert.deepEqual([read, layers], [config, [layer]]);
});

test('an artifact without layers, an empty index and a nested index are manifests', () => {
  assert.deepEqual(parse({ ...image, layers: [] }).layers, []);
  assert.deepEqual(parse({ ...index, manifests: [] }).manifests, []);
  const nested = { ...child, mediaType: mediaTypes.ociIndex };
  assert.deepEqual(parse({ ...index, manifests: [nested] }).manifests, [nested]);
});

test('config and layers may have any media type, as charts, signatures and models do', () => {
  const helm = 'application/vnd.cncf.helm.config.v1+json';
  const parsed = parse({ ...image, config: { ...config, mediaType: helm } });
  assert.equal(parsed.config?.mediaType, helm);
});

test('fields that nobody knows are let through', () => {
  assert.deepEqual(parse({ ...image, 'x-custom': { deep: [1, 2, { a: null }] } }), parse(image));
});

test('the Content-Type counts without its parameters and in any case', () => {
  for (const contentType of [
    `${mediaTypes.ociManifest}; charset=utf-8`,
    ` ${mediaTypes.ociManifest} `,
    mediaTypes.ociManifest.toUpperCase(),
  ]) {
    assert.equal(parse(image, contentType).mediaType, mediaTypes.ociManifest);
  }
});

test('a media type that nobody knows comes back as it was written, and is compared in any case', () => {
  const mediaType = 'application/vnd.Example.Thing+json';
  assert.equal(parse({ mediaType: mediaType.toLowerCase() }, mediaType).mediaType, mediaType);
  assert.equal(parse({ mediaType }, undefined).mediaType, mediaType);
});

test('without a Content-Type the media type inside the manifest counts', () => {
  assert.equal(parse(image).mediaType, mediaTypes.ociManifest);
  assert.equal(parse(index, '').mediaType, mediaTypes.ociIndex);
});

test('an OCI manifest need not name its media type inside, where the Content-Type does', () => {
  const { mediaType: _, ...unnamed } = image;
  assert.equal(parse(unnamed, mediaTypes.ociManifest).mediaType, mediaTypes.ociManifest);
});

test('what a manifest refers to is its config and layers, or its children, and never its subject', () => {
  const subject = { mediaType: mediaTypes.ociManifest, digest: digestB, size: 7 };
  assert.deepEqual(referencesOf(parse({ ...image, subject })), { blobs: [config, layer], manifests: [] });
  assert.deepEqual(referencesOf(parse({ ...index, subject })), { blobs: [], manifests: [child] });
});

test('layers that may be fetched from elsewhere need not be in the repository', () => {
  for (const mediaType of [
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  ]) {
    const parsed = parse({ ...image, layers: [layer, { ...layer, mediaType, digest: digestA }] });
    assert.equal(parsed.layers.length, 2);
    assert.deepEqual(referencesOf(parsed).blobs, [config, layer]);
  }
});

test('a config is never foreign', () => {
  const foreign = { ...config, mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar' };
  assert.deepEqual(referencesOf(parse({ ...image, config: foreign })).blobs, [foreign, layer]);
});

test('ten thousand layers are taken', () => {
  assert.equal(parse({ ...image, layers: Array(10_000).fill(layer) }).layers.length, 10_000);
});

test('an index of ten thousand children for as many platforms is taken', () => {
  const platform = { architecture: 'arm64', os: 'linux', variant: 'v8' };
  assert.equal(
    parse({ ...index, manifests: Array(10_000).fill({ ...child, platform }) }).manifests.length,
    10_000,
  );
});
test('a manifest that consists of annotations is taken up to the size that a registry takes', () => {
  const annotations = { big: 'x'.repeat(3_900_000) };
  assert.equal(parse({ ...image, annotations }).annotations?.big?.length, 3_900_000);
  const many = Object.fromEntries(
    Array.from({ length: 50_000 }, (_, i) => [`org.example.annotation-${i}`, 'x']),
  );
  assert.deepEqual(parse({ ...image, annotations: many }).annotations, many);
});

test('names that JavaScript knows are names like any other and change no prototype', () => {
  const text = JSON.stringify(image).replace(
    /\}$/,
    ',"annotations":{"constructor":"c","toString":"t"},"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}}}',
  );
  const parsed = parseManifest(Buffer.from(text), undefined);
  assert.deepEqual(Object.entries(parsed.annotations ?? {}), [
    ['constructor', 'c'],
    ['toString', 't'],
  ]);
  assert.deepEqual(Object.keys(parsed).toSorted(), [
    'annotations',
    'config',
    'layers',
    'manifests',
    'mediaType',
    'mentions',
  ]);
  assert.equal('polluted' in parsed, false);
  assert.equal('polluted' in {}, false);
});

test('an annotation named __proto__ stays a text and is nobody’s prototype', () => {
  const text = JSON.stringify(image).replace(/\}$/, ',"annotations":{"__proto__":"x"}}');
  const { annotations = {} } = parseManifest(Buffer.from(text), undefined);
  assert.equal(Object.getPrototypeOf(annotations), Object.prototype);
  assert.equal(JSON.stringify(annotations), '{"__proto__":"x"}');
});

test('an artifact manifest of the release candidates is read with its blobs', () => {
  const blobs = [layer, config];
  const artifact = {
    mediaType: mediaTypes.ociArtifact as string,
    artifactType: 'a/b',
    blobs,
    subject: child,
  };
  const parsed = parse(artifact);
  assert.deepEqual(parsed, {
    mediaType: mediaTypes.ociArtifact,
    artifactType: 'a/b',
    layers: blobs,
    manifests: [],
    mentions: [],
    subject: child,
  });
  assert.deepEqual(referencesOf(parsed), { blobs, manifests: [] });
});

test('a manifest of a type that nobody knows is read for what it mentions, and needs none of it', () => {
  const document = {
    config: { digest: digestA },
    parts: [{ inner: { digest: digestB, size: 'unknown' } }, { digest: digestA }, { digest: 'sha256:short' }],
    annotations: 'not a map',
  };
  for (const mediaType of ['application/vnd.example.thing', 'application/example+json']) {
    const parsed = parse(document, mediaType);
    assert.deepEqual(parsed, { mediaType, layers: [], manifests: [], mentions: [digestA, digestB] });
    assert.deepEqual(referencesOf(parsed), { blobs: [], manifests: [] });
    assert.deepEqual(needsOf(parsed), { blobs: [digestA, digestB], manifests: [digestA, digestB] });
  }
});

test('what a manifest needs is all that it names but its subject, each once, also what may be elsewhere', () => {
  const foreign = { ...layer, mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar' };
  const parsed = parse({ ...image, layers: [foreign, foreign, config], subject: child });
  assert.deepEqual(needsOf(parsed), { blobs: [config.digest, layer.digest], manifests: [] });
});
