import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DomainEvent } from '../../domain/event.ts';
import { labels } from '../../projections/labels/projection.ts';
import { rowsAfter } from './views-rows.ts';
import { startSetting } from './views-setting.ts';

const digest = (n: number): string => `sha256:${String(n).padStart(64, '0')}`;
const which = (labelId: number, projectId: number | null) => ({
  labelId,
  project: projectId === null ? null : `project-${projectId}`,
  projectId,
  name: `label ${labelId}`,
});
const look = { description: 'of a test', color: '#fff' };
const created = (labelId: number, projectId: number | null = null): DomainEvent => ({
  type: 'LabelCreated',
  data: { ...which(labelId, projectId), ...look },
});
const deleted = (labelId: number): DomainEvent => ({ type: 'LabelDeleted', data: which(labelId, null) });
const attached = (labelId: number, n: number): DomainEvent => ({
  type: 'LabelAttached',
  data: { repository: 'library/a', digest: digest(n), labelId },
});
const detached = (labelId: number, n: number): DomainEvent => ({
  type: 'LabelDetached',
  data: { repository: 'library/a', digest: digest(n), labelId },
});
const manifestDeleted = (n: number): DomainEvent => ({
  type: 'ManifestDeleted',
  data: {
    repository: 'library/a',
    digest: digest(n),
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    size: 1,
    key: 'key',
    blobs: [],
    manifests: [],
  },
});

test('labels: as they were changed last, without those of projects that are gone', async (t) => {
  const setting = await startSetting(t);
  const { labels: rows } = await rowsAfter(setting, labels, [
    created(1),
    created(2, 7),
    created(3, 8),
    { type: 'LabelChanged', data: { ...which(1, null), name: 'renamed', description: '', color: '' } },
    created(4),
    { type: 'ProjectDeleted', data: { name: 'project-7', projectId: 7 } },
    deleted(4),
  ]);
  assert.deepEqual(
    rows?.map(({ label_id, project_id, name, color }) => [label_id, project_id, name, color]),
    [
      [1, null, 'renamed', ''],
      [3, 8, 'label 3', '#fff'],
    ],
  );
});

test('labels: on which manifests, until one of them is deleted', async (t) => {
  const setting = await startSetting(t);
  const { attached: rows } = await rowsAfter(setting, labels, [
    created(1),
    created(2),
    attached(1, 1),
    attached(2, 1),
    attached(1, 2),
    attached(1, 3),
    detached(1, 2),
    attached(2, 2),
    manifestDeleted(1),
    attached(1, 1),
    manifestDeleted(3),
    deleted(2),
  ]);
  assert.deepEqual(rows, [{ repository: 'library/a', digest: digest(1), label_id: 1 }]);
});
