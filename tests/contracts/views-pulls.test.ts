import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DomainEvent } from '../../domain/event.ts';
import { pulls } from '../../projections/pulls/projection.ts';
import { rowsAfter } from './views-rows.ts';
import { startSetting } from './views-setting.ts';

const digest = (n: number): string => `sha256:${String(n).padStart(64, '0')}`;
const day = (n: number): string => new Date(Date.UTC(2026, 10, n)).toISOString();
/** A day that is after those on which anything is recorded. */
const later = 40_000;
const pulled = (repository: string, n: number, at: number, more: object = {}): DomainEvent => ({
  type: 'ArtifactPulled',
  data: {
    ...{ repository, projectId: 1, digest: digest(n), pulledAt: day(at), timed: true, counted: true },
    ...more,
  },
});
const manifestDeleted = (repository: string, n: number): DomainEvent => ({
  type: 'ManifestDeleted',
  data: {
    ...{ repository, digest: digest(n), mediaType: 'application/vnd.oci.image.manifest.v1+json', size: 1 },
    ...{ key: 'key', blobs: [], manifests: [] },
  },
});
type Rows = Awaited<ReturnType<typeof rowsAfter>>;
const timesIn = (rows: Rows[string] | undefined, name: string) =>
  rows?.map((row) => [row.repository, row[name], (row.pulled_at as Date).toISOString()]);

test('pulls: the last of each artifact and tag, by the time of the pull, and how often a repository was', async (t) => {
  const rows = await rowsAfter(await startSetting(t), pulls, [
    pulled('a/one', 1, 3, { tag: 'v1' }),
    pulled('a/one', 1, 2, { tag: 'v1' }),
    pulled('a/one', 2, 4, { times: 100 }),
    pulled('a/one', 2, 5, { tag: 'v2', timed: false }),
    pulled('a/two', 1, 1, { tag: 'v1', counted: false }),
  ]);
  assert.deepEqual(timesIn(rows.artifacts, 'digest'), [
    ['a/one', digest(1), day(3)],
    ['a/one', digest(2), day(4)],
    ['a/two', digest(1), day(1)],
  ]);
  assert.deepEqual(timesIn(rows.tags, 'tag'), [
    ['a/one', 'v1', day(3)],
    ['a/two', 'v1', day(1)],
  ]);
  assert.deepEqual(rows.repositories, [{ name: 'a/one', count: 103n, deleted_at: null }]);
});

test('pulls: none of what is gone, and of what comes after it under the same name only its own', async (t) => {
  const rows = await rowsAfter(await startSetting(t), pulls, [
    pulled('a/gone', 1, 1, { tag: 'v1' }),
    pulled('a/gone', 2, 2, { tag: 'v2' }),
    { type: 'TagRemoved', data: { repository: 'a/gone', tag: 'v1' } },
    manifestDeleted('a/gone', 1),
    pulled('a/gone', 1, 5),
    pulled('a/kept', 1, 1),
    pulled('b/kept', 1, 1, { projectId: 2 }),
    pulled('aa/kept', 1, 1),
    { type: 'RepositoryDeleted', data: { repository: 'a/gone', repositoryId: 1 } },
    // Recorded late, of the one that is gone.
    pulled('a/gone', 2, 3, { timed: false }),
    pulled('a/gone', 1, later),
    manifestDeleted('a/kept', 1),
    { type: 'ProjectDeleted', data: { name: 'b', projectId: 2 } },
    pulled('b/kept', 1, later, { projectId: 2, timed: false }),
    pulled('b/next', 1, later, { projectId: 3, timed: false }),
  ]);
  assert.deepEqual(timesIn(rows.artifacts, 'digest'), [
    ['a/gone', digest(1), day(later)],
    ['a/gone', digest(2), day(2)],
    ['aa/kept', digest(1), day(1)],
    ['b/kept', digest(1), day(1)],
  ]);
  assert.deepEqual(timesIn(rows.tags, 'tag'), [['a/gone', 'v2', day(2)]]);
  assert.deepEqual(
    rows.repositories?.map(({ name, count }) => [name, count]),
    [
      ['a/gone', 1n],
      ['a/kept', 1n],
      ['aa/kept', 1n],
      ['b/next', 1n],
    ],
  );
});
