import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DomainEvent } from '../../domain/event.ts';
import { repositories } from '../../projections/repositories/projection.ts';
import { rowsAfter } from './views-rows.ts';
import { startSetting } from './views-setting.ts';

const digest = (n: number): string => `sha256:${String(n).padStart(64, '0')}`;
const a = 'library/a';

const imageType = 'application/vnd.oci.image.config.v1+json';
const chartType = 'application/vnd.cncf.helm.config.v1+json';
const descriptor = (n: number, mediaType = imageType) => ({ mediaType, digest: digest(n), size: n });

const pushed = (n: number, more: object = {}, repository = a): DomainEvent => ({
  type: 'ManifestPushed',
  data: {
    repository,
    digest: digest(n),
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    size: 1000,
    key: `manifest-${n}`,
    config: descriptor(1),
    layers: [descriptor(10, 'a/layer')],
    manifests: [],
    mentions: [],
    attributes: {},
    ...more,
  },
});
const index = (n: number, ...children: number[]): DomainEvent =>
  pushed(n, {
    mediaType: 'application/vnd.oci.image.index.v1+json',
    config: undefined,
    layers: [],
    manifests: children.map((child) => descriptor(child)),
  });
const deleted = (n: number, manifests: number[] = []): DomainEvent => ({
  type: 'ManifestDeleted',
  data: {
    ...{ repository: a, digest: digest(n), mediaType: 'm', size: 1000, key: `manifest-${n}`, blobs: [] },
    manifests: manifests.map(digest),
  },
});
const assigned = (tag: string, n: number): DomainEvent => ({
  type: 'TagAssigned',
  data: { repository: a, tag, digest: digest(n) },
});
const moved = (tag: string, from: number, to: number): DomainEvent => ({
  type: 'TagMoved',
  data: { repository: a, tag, from: digest(from), digest: digest(to) },
});
const removed = (tag: string, n: number): DomainEvent => ({
  type: 'TagRemoved',
  data: { repository: a, tag, digest: digest(n) },
});
const created = (name: string, projectId: number): DomainEvent => ({
  type: 'ProjectCreated',
  data: { name, projectId, public: false, owner: 'admin' },
});

type Rows = Record<string, Record<string, unknown>[]>;
const numbered = ({ digest: of }: Record<string, unknown>) => Number(String(of).slice('sha256:'.length));
const statesIn = ({ listed_artifacts = [] }: Rows) =>
  Object.fromEntries(listed_artifacts.map((row) => [numbered(row), row.state]));
const totalsIn = ({ totals = [] }: Rows) =>
  totals.map(({ type, state, count }) => `${type} ${state} ${count}`).toSorted();
const countsIn = ({ repositories: rows = [] }: Rows) =>
  rows.map(({ name, artifact_count, tag_count }) => [name, artifact_count, tag_count]);

test('an artifact is listed unless only an index needs it, or it is an accessory', async (t) => {
  const rows = await rowsAfter(await startSetting(t), repositories, [
    created('library', 1),
    ...[1, 2, 3, 4].map((n) => pushed(n)),
    index(5, 1, 2),
    assigned('multi', 5),
    assigned('amd64', 1),
    pushed(6, { subject: descriptor(3) }),
    pushed(7, { config: descriptor(1, chartType) }),
    index(8, 4),
    deleted(8, [4]),
    assigned('gone', 3),
    removed('gone', 3),
  ]);
  assert.deepEqual(statesIn(rows), {
    ...{ 1: 'tagged', 2: 'child', 3: 'untagged', 4: 'untagged', 5: 'tagged', 6: 'accessory', 7: 'untagged' },
  });
  assert.deepEqual(totalsIn(rows), [
    'CHART untagged 1',
    'IMAGE accessory 1',
    'IMAGE child 1',
    'IMAGE tagged 1',
    'IMAGE tagged 1',
    'IMAGE untagged 2',
  ]);
  assert.deepEqual(countsIn(rows), [[a, 5n, 2n]]);
});

test('ids are the positions of the events that made the rows', async (t) => {
  const rows = await rowsAfter(await startSetting(t), repositories, [
    created('library', 1),
    pushed(1),
    assigned('1.0', 1),
    pushed(2),
    moved('1.0', 1, 2),
    // Again, since its bytes were damaged.
    pushed(1),
    deleted(2),
    pushed(2),
    removed('1.0', 2),
    assigned('1.0', 2),
  ]);
  assert.deepEqual(
    rows.listed_artifacts?.map((row) => [numbered(row), row.id, row.tag_count]),
    [
      [1, 2n, 0n],
      [2, 8n, 1n],
    ],
  );
  assert.deepEqual(
    rows.listed_tags?.map((row) => [row.tag, numbered(row), row.id]),
    [['1.0', 2, 10n]],
  );
  assert.equal(rows.repositories?.[0]?.id, 2n);
});

test('a manifest that signs two others by its tags is that of the last one', async (t) => {
  const layers = [descriptor(10, 'application/vnd.dev.cosign.simplesigning.v1+json')];
  const signing = (n: number): string => `sha256-${digest(n).slice('sha256:'.length)}.sig`;
  const rows = await rowsAfter(await startSetting(t), repositories, [
    created('library', 1),
    pushed(2, { layers }),
    assigned(signing(3), 2),
    assigned(signing(4), 2),
  ]);
  assert.deepEqual(
    rows.listed_artifacts?.map(({ accessory, subject }) => [accessory, subject]),
    [['signature.cosign', digest(4)]],
  );
});

test('a signature of cosign stays an accessory also when its tag has moved on', async (t) => {
  const layers = [descriptor(10, 'application/vnd.dev.cosign.simplesigning.v1+json')];
  const tag = `sha256-${digest(1).slice('sha256:'.length)}.sig`;
  const rows = await rowsAfter(await startSetting(t), repositories, [
    created('library', 1),
    pushed(1),
    pushed(2, { layers }),
    assigned(tag, 2),
    pushed(3, { layers }),
    moved(tag, 2, 3),
    pushed(4),
    moved(tag, 3, 4),
    pushed(5, { layers }),
    assigned('plain', 5),
    // A tag that points at nothing yet.
    assigned(`sha256-${digest(4).slice('sha256:'.length)}.sig`, 6),
    pushed(6, { layers }),
  ]);
  assert.deepEqual(statesIn(rows), {
    ...{ 1: 'untagged', 2: 'accessory', 3: 'accessory', 4: 'tagged', 5: 'tagged', 6: 'accessory' },
  });
  assert.deepEqual(
    rows.listed_artifacts
      ?.filter(({ accessory }) => accessory !== null)
      .map(({ subject }) => subject)
      .toSorted(),
    [digest(1), digest(1), digest(4)],
  );
});

test('a deleted artifact is not counted any more, and what it named is as if it had never been', async (t) => {
  const rows = await rowsAfter(await startSetting(t), repositories, [
    created('library', 1),
    pushed(1),
    index(2, 1),
    assigned('a', 2),
    assigned('b', 2),
    removed('a', 2),
    removed('b', 2),
    deleted(2, [1]),
    deleted(1),
  ]);
  assert.deepEqual(rows.listed_artifacts, []);
  assert.deepEqual([rows.listed_children, rows.totals, rows.listed_tags], [[], [], []]);
  assert.deepEqual(countsIn(rows), [[a, 0n, 0n]]);
  assert.equal(rows.project_totals?.[0]?.repository_count, 1n);
});

test('a deleted repository is gone, unless it holds a manifest by then; the next of its name has another id', async (t) => {
  const gone = (repository: string, repositoryId: number): DomainEvent => ({
    type: 'RepositoryDeleted',
    data: { repository, repositoryId },
  });
  const described = (repositoryId: number, description: string): DomainEvent => ({
    type: 'RepositoryDescribed',
    data: { repository: a, repositoryId, description },
  });
  const rows = await rowsAfter(await startSetting(t), repositories, [
    created('library', 1),
    pushed(1),
    pushed(1, {}, 'library/kept'),
    described(2, 'first'),
    deleted(1),
    gone(a, 2),
    gone('library/kept', 3),
    pushed(1),
    described(2, 'of the one before'),
    gone(a, 2),
    described(8, 'second'),
  ]);
  assert.deepEqual(
    rows.repositories?.map(({ name, id, description }) => [name, id, description]),
    [
      [a, 8n, 'second'],
      ['library/kept', 3n, ''],
    ],
  );
  assert.equal(rows.project_totals?.[0]?.repository_count, 2n);
});

test('a project begins without anything that was recorded under its name before', async (t) => {
  const rows = await rowsAfter(await startSetting(t), repositories, [
    created('library', 1),
    pushed(1),
    assigned('1.0', 1),
    pushed(2, {}, 'library2/a'),
    { type: 'ProjectDeleted', data: { name: 'library', projectId: 1 } },
    index(3, 1),
    assigned('2.0', 3),
    created('library', 2),
    removed('1.0', 1),
    { type: 'ProjectMetadataChanged', data: { name: 'library', projectId: 2, public: true, metadata: {} } },
    pushed(4),
  ]);
  assert.deepEqual(
    rows.listed_artifacts?.map((row) => [row.repository, numbered(row)]),
    [
      [a, 4],
      ['library2/a', 2],
    ]
      .toSorted(([, one], [, other]) => Number(one) - Number(other))
      .toReversed(),
  );
  assert.deepEqual(countsIn(rows), [
    [a, 1n, 0n],
    ['library2/a', 1n, 0n],
  ]);
  assert.deepEqual(rows.listed_children, []);
  assert.deepEqual(rows.project_totals, [
    { name: 'library', project_id: 2, public: true, repository_count: 1n },
  ]);
});

test('what a list cannot show in full is left out', async (t) => {
  const rows = await rowsAfter(await startSetting(t), repositories, [
    created('library', 1),
    pushed(1, { annotations: { a: 'x'.repeat(40_000) }, attributes: { author: 'a\0b\ud800' } }),
    pushed(2, { annotations: { a: 'b' } }),
  ]);
  assert.deepEqual(
    rows.listed_artifacts?.map(({ annotations }) => annotations),
    ['{}', '{"a":"b"}'],
  );
  assert.deepEqual(JSON.parse(String(rows.listed_artifacts?.[0]?.attributes)), { author: 'a\0b\ud800' });
});
