import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessoryOf, isSimpleSigning, signedBy } from '../../domain/artifact/accessory.ts';
import { mediaTypes } from '../../domain/artifact/manifest.ts';
import { kindOf, sizeOf } from '../../domain/artifact/type.ts';
import { digestA } from './manifests.ts';

const image = (mediaType: string, more: object = {}) => ({
  mediaType: mediaTypes.ociManifest,
  config: { mediaType },
  ...more,
});
const emptyConfig = 'application/vnd.oci.empty.v1+json';

const types: readonly [what: string, manifest: Parameters<typeof kindOf>[0], type: string][] = [
  ['an image of OCI', image('application/vnd.oci.image.config.v1+json'), 'IMAGE'],
  ['an image of Docker', image('application/vnd.docker.container.image.v1+json'), 'IMAGE'],
  ['an index', { mediaType: mediaTypes.ociIndex }, 'IMAGE'],
  ['a list of Docker', { mediaType: mediaTypes.dockerList }, 'IMAGE'],
  ['a chart', image('application/vnd.cncf.helm.config.v1+json'), 'CHART'],
  [
    'a bundle',
    {
      mediaType: mediaTypes.ociIndex,
      annotations: { 'org.opencontainers.artifactType': 'application/vnd.cnab.manifest.v1' },
    },
    'CNAB',
  ],
  ['WebAssembly with a config of its own', image('application/vnd.wasm.config.v1+json'), 'WASM'],
  [
    'WebAssembly in an image',
    image('application/vnd.oci.image.config.v1+json', {
      annotations: { 'module.wasm.image/variant': 'compat' },
    }),
    'WASM',
  ],
  ['a bill of materials', image('application/vnd.goharbor.harbor.sbom.v1'), 'SBOM'],
  ['a model', image('application/vnd.cnai.model.config.v1+json'), 'CNAI'],
  ['any other config', image('application/vnd.acme.rocket-engine.config.v1+json'), 'ROCKET-ENGINE'],
  ['a config in more words', image('application/vnd.acme.big.rocket.config.v1.0+json'), 'UNKNOWN'],
  [
    'an artifactType beside an empty config',
    image(emptyConfig, { artifactType: 'application/vnd.acme.rocket.config.v2+json' }),
    'ROCKET',
  ],
  ['an empty config alone', image(emptyConfig), 'UNKNOWN'],
  ['what says nothing', { mediaType: 'application/vnd.acme.manifest+json' }, 'UNKNOWN'],
  ['the name of what every object has', image('constructor'), 'UNKNOWN'],
];

for (const [what, manifest, type] of types)
  test(`${what} is of the type ${type}`, () => {
    assert.equal(kindOf(manifest).type, type);
  });

test('the media type is that of the config, or the artifactType where the config is empty', () => {
  const artifactType = 'application/vnd.example';
  assert.deepEqual(kindOf(image('a/config', { artifactType })), {
    ...{ type: 'UNKNOWN', mediaType: 'a/config', artifactType },
  });
  assert.equal(kindOf(image(emptyConfig, { artifactType })).mediaType, artifactType);
  assert.equal(kindOf(image(emptyConfig)).mediaType, emptyConfig);
  assert.equal(kindOf({ mediaType: mediaTypes.ociIndex }).artifactType, mediaTypes.ociIndex);
});

test('an annotation that can be no media type is none', () => {
  for (const written of ['', 'a\nb', 'x'.repeat(256), 'ü']) {
    const annotations = { 'org.opencontainers.artifactType': written };
    assert.equal(kindOf({ mediaType: mediaTypes.ociIndex, annotations }).mediaType, mediaTypes.ociIndex);
  }
});

test('the size is that of all that a pull takes, and of an index it is not known by itself', () => {
  const sized = { size: 10, config: { size: 3 }, layers: [{ size: 4 }, { size: 5 }], manifests: [] };
  assert.equal(sizeOf(sized), 22);
  assert.equal(sizeOf({ size: 10, layers: [], manifests: [{}] }), undefined);
  const claimed = { size: Number.MAX_SAFE_INTEGER };
  assert.equal(sizeOf({ ...sized, layers: [claimed, claimed] }), Number.MAX_SAFE_INTEGER);
});

const subject = { digest: digestA };
const signing = 'application/vnd.dev.cosign.simplesigning.v1+json';
const accessories: readonly [type: string, manifest: Partial<Parameters<typeof accessoryOf>[0]>][] = [
  ['signature.notation', { subject, artifactType: 'application/vnd.cncf.notary.signature' }],
  ['signature.notation', { subject, config: { mediaType: 'application/vnd.cncf.notary.signature' } }],
  ['signature.cosign', { subject, artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json' }],
  ['signature.cosign', { subject, artifactType: 'application/vnd.dev.cosign.artifact.sig.v1+json' }],
  ['signature.cosign', { subject, layers: [{ mediaType: signing }] }],
  ['sbom.harbor', { subject, config: { mediaType: 'application/vnd.goharbor.harbor.sbom.v1' } }],
  ['subject.accessory', { subject }],
  [
    'accelerator.nydus',
    { annotations: { 'io.goharbor.artifact.v1alpha1.acceleration.source.digest': digestA } },
  ],
];

for (const [type, manifest] of accessories)
  test(`${JSON.stringify({ ...manifest, subject: undefined })} makes an accessory ${type}`, () => {
    assert.deepEqual(accessoryOf({ layers: [], ...manifest }), { type, subject: digestA });
  });

test('what refers to nothing is no accessory by itself', () => {
  assert.equal(accessoryOf({ layers: [{ mediaType: signing }] }), undefined);
  const annotations = { 'io.goharbor.artifact.v1alpha1.acceleration.source.digest': 'latest' };
  assert.equal(accessoryOf({ layers: [], annotations }), undefined);
});

test('a tag of cosign says what is signed, and only layers of signatures make one', () => {
  const hex = 'a'.repeat(64);
  assert.equal(signedBy(`sha256-${hex}.sig`), `sha256:${hex}`);
  for (const tag of [`sha256-${hex}`, `sha256-${hex}.att`, `sha256-${hex.slice(1)}.sig`, `x${hex}.sig`])
    assert.equal(signedBy(tag), undefined);
  assert.equal(isSimpleSigning({ layers: [{ mediaType: signing }, { mediaType: signing }] }), true);
  assert.equal(isSimpleSigning({ layers: [{ mediaType: signing }, { mediaType: 'a/layer' }] }), false);
  assert.equal(isSimpleSigning({ layers: [] }), false);
});
