import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { catalogue, currentVersion } from '../../domain/catalogue.ts';
import type { DomainEvent } from '../../domain/event.ts';
import { viewOf } from '../../infra/database/projection.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { type LabelsDatabase, labels } from '../../projections/labels/projection.ts';
import { hasLabels, labelsOf } from '../../projections/labels/queries.ts';
import { rowsAfter } from './views-rows.ts';
import { run, type Setting, startSetting } from './views-setting.ts';

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

test('labels: a page of manifests has its labels in one question, and only those that there are', async (t) => {
  const setting = await startSetting(t);
  const { database, append } = await applied(setting);
  // The last one is attached after it was deleted, by somebody who saw it before.
  await append([
    ...[1, 2, 3, 4].map((labelId) => created(labelId)),
    deleted(4),
    attached(1, 1),
    attached(2, 1),
    attached(3, 1),
    attached(4, 1),
    attached(1, 2),
    attached(4, 2),
  ]);
  const db = viewOf<LabelsDatabase>(database.kysely, labels);
  const place = (n: number) => ({ repository: 'library/a', digest: digest(n) });
  const found = await labelsOf(db, [place(1), place(2), place(3), { ...place(1), repository: 'library/b' }]);
  assert.deepEqual(
    [...found].map(([name, some]) => [name, some.map(({ labelId }) => labelId)]),
    [
      [`library/a@${digest(1)}`, [1, 2, 3]],
      [`library/a@${digest(2)}`, [1]],
    ],
  );

  const havingIn = async (of: Parameters<typeof hasLabels>[1], ...labelIds: number[]) => {
    const { rows } = await sql<{ n: number }>`
      SELECT n FROM (VALUES (1, 'library/a', ${digest(1)}), (2, 'library/a', ${digest(2)})) AS listed(n, repository, digest)
      WHERE ${hasLabels(labelIds, of)} ORDER BY n`.execute(database.kysely);
    return rows.map(({ n }) => n);
  };
  const having = (...labelIds: number[]) => havingIn({ repository: 'library/a' }, ...labelIds);
  assert.deepEqual(await having(1), [1, 2]);
  assert.deepEqual(await havingIn({ project: 'library' }, 1), [1, 2]);
  assert.deepEqual(await havingIn({ project: 'other' }, 1), []);
  assert.deepEqual(await havingIn({ repository: 'library/b' }, 2), []);
  assert.deepEqual(await having(1, 2, 2), [1]);
  assert.deepEqual(await having(4), []);
  assert.deepEqual(await having(1, 99), []);
});

async function applied(setting: Setting) {
  const views = await run(setting, { projections: [labels], catalogue });
  return {
    database: views.database,
    async append(history: readonly DomainEvent[]) {
      for (const { type, data } of history) {
        const version = currentVersion(catalogue, type);
        const event = { id: newEventId(), type, version, data, metadata: { actor: 'user:admin' } };
        await views.reached(await setting.log.append('test', 'any', [event]), [labels]);
      }
    },
  };
}
