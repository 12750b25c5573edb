import assert from 'node:assert/strict';
import { test } from 'node:test';
import { artifactDecider } from '../../domain/artifact/decider.ts';
import type { PushedManifest } from '../../domain/artifact/events.ts';
import { mediaTypes } from '../../domain/artifact/manifest.ts';
import { digestFrom } from '../../domain/digest.ts';
import { given } from '../given.ts';

const manifest: PushedManifest = {
  repository: 'library/hello',
  digest: digestFrom('sha256', 'a'.repeat(64)),
  mediaType: mediaTypes.ociIndex,
  size: 100,
  key: 'first',
  layers: [],
  manifests: [],
  annotations: { a: 'b' },
};

test('a manifest that is not in the repository is pushed with all that was read out of it', () => {
  given(artifactDecider).when(manifest).then({ type: 'ManifestPushed', data: manifest });
});

test('the same manifest pushed again changes nothing, and the key of the first push counts', () => {
  const pushed = { type: 'ManifestPushed', data: manifest } as const;
  given(artifactDecider, pushed)
    .when({ ...manifest, key: 'second' })
    .then();
  assert.deepEqual(artifactDecider.evolve(artifactDecider.initial, pushed), { key: 'first' });
});
