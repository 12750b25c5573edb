import { test } from 'node:test';
import {
  attachingLabel,
  condemningManifest,
  damagingManifest,
  detachingLabel,
  pushing,
  removingManifest,
  reprievingManifest,
} from '../../domain/artifact/decider.ts';
import type { ArtifactEvent, PushedManifest } from '../../domain/artifact/events.ts';
import { given } from '../given.ts';
import { child, config, digestA, digestB, layer } from './manifests.ts';

const at = { repository: 'library/hello', digest: digestA };
const manifest: PushedManifest = {
  ...at,
  mediaType: 'application/vnd.example.manifest+json',
  size: 100,
  key: 'first',
  config,
  layers: [layer],
  manifests: [child],
  attributes: {},
  mentions: [digestB],
  subject: child,
  annotations: { a: 'b' },
};
const pushed: ArtifactEvent = { type: 'ManifestPushed', data: manifest };
const condemned: ArtifactEvent = { type: 'ManifestCondemned', data: { ...at, condemnation: 'one' } };
const reprieved: ArtifactEvent = { type: 'ManifestReprieved', data: at };
const deleted: ArtifactEvent = {
  type: 'ManifestDeleted',
  data: {
    ...at,
    mediaType: manifest.mediaType,
    size: 100,
    key: 'first',
    subject: child.digest,
    blobs: [config.digest, layer.digest],
    manifests: [child.digest, digestB],
  },
};

test('a manifest that is not in the repository is pushed with all that was read out of it', () => {
  given(pushing).when(manifest).then(pushed);
});

test('the same manifest pushed again changes nothing', () => {
  given(pushing, pushed)
    .when({ ...manifest, key: 'second' })
    .then();
});

test('a deleted manifest says what it needed, and can be pushed again under another key', () => {
  given(removingManifest, pushed, condemned)
    .when({ ...at, condemnation: 'one' })
    .then(deleted);
  const again = { ...manifest, key: 'second' };
  given(pushing, pushed, deleted).when(again).then({ type: 'ManifestPushed', data: again });
});

test('a manifest that is not there is not deleted once more', () => {
  const removal = { ...at, condemnation: 'one' };
  given(removingManifest).when(removal).then();
  given(removingManifest, pushed, condemned, deleted).when(removal).then();
});

test('a push of a condemned manifest reprieves it', () => {
  given(pushing, pushed, condemned)
    .when({ ...manifest, key: 'second' })
    .then(reprieved);
  given(reprievingManifest, pushed, condemned).when(at).then(reprieved);
  given(reprievingManifest, pushed, condemned, reprieved).when(at).then();
  given(reprievingManifest, pushed, condemned, deleted).when(at).then();
});

test('a manifest is condemned once, and only while it is there', () => {
  given(condemningManifest, pushed)
    .when({ ...at, condemnation: 'one' })
    .then(condemned);
  given(condemningManifest, pushed, condemned)
    .when({ ...at, condemnation: 'two' })
    .then();
  given(condemningManifest)
    .when({ ...at, condemnation: 'one' })
    .then();
});

test('a removal takes only what is still under the condemnation that it was decided on', () => {
  const removal = { ...at, condemnation: 'one' };
  given(removingManifest, pushed, condemned).when(removal).then(deleted);
  given(removingManifest, pushed).when(removal).then();
  given(removingManifest, pushed, condemned, reprieved).when(removal).then();
  given(removingManifest, pushed, condemned, reprieved, {
    type: 'ManifestCondemned',
    data: { ...at, condemnation: 'two' },
  })
    .when(removal)
    .then();
});

test('a damaged manifest is pushed again with new bytes, which are sound and under no condemnation', () => {
  const damage = { ...at, key: 'first', fault: 'it is empty' };
  const damaged: ArtifactEvent = { type: 'ManifestDamaged', data: damage };
  const again: ArtifactEvent = { type: 'ManifestPushed', data: { ...manifest, key: 'second' } };
  given(damagingManifest, pushed).when(damage).then(damaged);
  given(pushing, pushed, damaged, condemned).when(again.data).then(again);
  given(pushing, pushed, damaged, condemned, again)
    .when({ ...manifest, key: 'third' })
    .then();
  given(removingManifest, pushed, condemned, damaged, again)
    .when({ ...at, condemnation: 'one' })
    .then();
});

test('a verdict on a manifest says nothing where its bytes do not count any more, or are known to be wrong', () => {
  const damage = { ...at, key: 'first', fault: 'it is empty' };
  given(damagingManifest).when(damage).then();
  given(damagingManifest, pushed, deleted).when(damage).then();
  given(damagingManifest, pushed)
    .when({ ...damage, key: 'another' })
    .then();
  given(damagingManifest, pushed, { type: 'ManifestDamaged', data: damage }).when(damage).then();
});

const label = { ...at, labelId: 7 };
const attached: ArtifactEvent = { type: 'LabelAttached', data: label };
const detached: ArtifactEvent = { type: 'LabelDetached', data: label };

test('a label is attached to a manifest once, and detached once', () => {
  given(attachingLabel, pushed).when(label).then(attached);
  given(attachingLabel, pushed, attached).when(label).thenRefused({ kind: 'label-attached', labelId: 7 });
  given(detachingLabel, pushed, attached).when(label).then(detached);
  given(detachingLabel, pushed, attached, detached)
    .when(label)
    .thenRefused({ kind: 'label-not-attached', labelId: 7 });
  given(attachingLabel, pushed, attached, detached).when(label).then(attached);
});

test('a manifest that is not there has no labels', () => {
  for (const decider of [attachingLabel, detachingLabel])
    for (const past of [[], [pushed, attached, condemned, deleted]])
      given(decider, ...past)
        .when(label)
        .thenRefused({ kind: 'artifact-unknown', ...at });
});

test('a manifest that is pushed again after its deletion begins without labels', () => {
  given(attachingLabel, pushed, attached, condemned, deleted, pushed).when(label).then(attached);
});

test('a manifest whose damaged bytes were replaced keeps its labels', () => {
  const damaged: ArtifactEvent = { type: 'ManifestDamaged', data: { ...at, key: 'first', fault: 'missing' } };
  const repaired: ArtifactEvent = { type: 'ManifestPushed', data: { ...manifest, key: 'second' } };
  given(attachingLabel, pushed, attached, damaged, repaired)
    .when(label)
    .thenRefused({ kind: 'label-attached', labelId: 7 });
});

test('a label can be attached to a condemned manifest and does not keep it', () => {
  given(attachingLabel, pushed, condemned).when(label).then(attached);
  given(removingManifest, pushed, condemned, attached)
    .when({ ...at, condemnation: 'one' })
    .then(deleted);
});
