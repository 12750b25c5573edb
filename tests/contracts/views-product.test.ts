import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catalogue, currentVersion } from '../../domain/catalogue.ts';
import type { DomainEvent } from '../../domain/event.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { replayViews } from '../../infra/views/rebuild.ts';
import { artifacts } from '../../projections/artifacts/projection.ts';
import { blobs } from '../../projections/blobs/projection.ts';
import { projections } from '../../projections/projections.ts';
import { projects } from '../../projections/projects/projection.ts';
import { referrers } from '../../projections/referrers/projection.ts';
import { repositories } from '../../projections/repositories/projection.ts';
import { tags } from '../../projections/tags/projection.ts';
import { rowsAfter, rowsOf } from './views-rows.ts';
import { run, startSetting } from './views-setting.ts';

const digest = (n: number): string => `sha256:${String(n).padStart(64, '0')}`;

const storedBlob = (n: number, key = `key-${n}`): DomainEvent => ({
  type: 'BlobStored',
  data: { digest: digest(n), size: n * 1000, key },
});
const linkedBlob = (n: number, repository: string): DomainEvent => ({
  type: 'BlobLinked',
  data: { digest: digest(n), repository },
});
const pushedManifest = (
  n: number,
  repository: string,
  artifactType?: string,
  more: object = {},
): DomainEvent => ({
  type: 'ManifestPushed',
  data: {
    repository,
    digest: digest(n),
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    size: n,
    key: `manifest-${n}`,
    layers: [],
    manifests: [],
    mentions: [],
    attributes: {},
    ...more,
    ...(artifactType !== undefined && { artifactType }),
  },
});
const assignedTag = (repository: string, tag: string, n: number): DomainEvent => ({
  type: 'TagAssigned',
  data: { repository, tag, digest: digest(n) },
});
const movedTag = (repository: string, tag: string, from: number, to: number): DomainEvent => ({
  type: 'TagMoved',
  data: { repository, tag, from: digest(from), digest: digest(to) },
});
const createdProject = (name: string, projectId: number, isPublic: boolean): DomainEvent => ({
  type: 'ProjectCreated',
  data: { name, projectId, public: isPublic, owner: 'admin' },
});
const createdUser = (username: string, userId: number, administrator: boolean): DomainEvent => ({
  type: 'UserCreated',
  data: { username, userId, administrator, passwordHash: `hash of ${username}` },
});

test('artifacts: a row for each manifest of each repository, as it was pushed last', async (t) => {
  const setting = await startSetting(t);
  const { artifacts: rows } = await rowsAfter(setting, artifacts, [
    pushedManifest(1, 'library/a'),
    pushedManifest(2, 'library/a', 'application/vnd.example'),
    pushedManifest(1, 'library/b'),
    pushedManifest(1, 'library/a', 'a\0type'),
    assignedTag('library/a', 'latest', 1),
  ]);
  assert.deepEqual(
    rows?.map(({ repository, digest, artifact_type, size, key }) => [
      repository,
      digest,
      artifact_type,
      size,
      key,
    ]),
    [
      ['library/a', digest(1), 'a\uFFFDtype', 1n, 'manifest-1'],
      ['library/a', digest(2), 'application/vnd.example', 2n, 'manifest-2'],
      ['library/b', digest(1), null, 1n, 'manifest-1'],
    ],
  );
  assert.ok(rows?.every(({ pushed_at }) => pushed_at instanceof Date));
});

test('blobs: where each blob is kept, and in which repositories it can be read', async (t) => {
  const setting = await startSetting(t);
  const { blobs: stored, links } = await rowsAfter(setting, blobs, [
    storedBlob(1),
    linkedBlob(1, 'library/a'),
    linkedBlob(1, 'library/b'),
    linkedBlob(1, 'library/a'),
    storedBlob(2),
    storedBlob(1, 'key-1-again'),
  ]);
  assert.deepEqual(stored, [
    { digest: digest(1), size: 1000n, key: 'key-1-again' },
    { digest: digest(2), size: 2000n, key: 'key-2' },
  ]);
  assert.deepEqual(withoutTimes(links), [
    { repository: 'library/a', digest: digest(1) },
    { repository: 'library/b', digest: digest(1) },
  ]);
});

/** Rows without their times, which must be there. */
const withoutTimes = (rows: readonly Record<string, unknown>[] = []) =>
  rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).filter(([name, value]) => {
        if (!name.endsWith('_at')) return true;
        assert.ok(value instanceof Date);
        return false;
      }),
    ),
  );

const blobEvent = (type: string, n: number, more: object): DomainEvent => ({
  type,
  data: { digest: digest(n), ...more },
});
const inA = { repository: 'library/a' };

test('blobs: what is condemned, until it is reprieved or gone', async (t) => {
  const setting = await startSetting(t);
  const tables = await rowsAfter(setting, blobs, [
    ...[1, 2, 3].flatMap((n) => [storedBlob(n), linkedBlob(n, 'library/a')]),
    ...[1, 2, 3].map((n) => blobEvent('BlobCondemned', n, { ...inA, condemnation: `c${n}` })),
    blobEvent('BlobReprieved', 1, inA),
    blobEvent('BlobUnlinked', 2, inA),
    blobEvent('BlobDeleted', 2, { size: 2000, key: 'key-2' }),
  ]);
  assert.deepEqual(withoutTimes(tables.condemned), [{ ...inA, digest: digest(3), condemnation: 'c3' }]);
  assert.deepEqual(
    tables.links?.map((row) => row.digest),
    [digest(1), digest(3)],
  );
  assert.deepEqual(
    tables.blobs?.map((row) => row.key),
    ['key-1', 'key-3'],
  );
});

test('blobs: whose bytes are damaged, until new ones are stored or the blob is gone', async (t) => {
  const setting = await startSetting(t);
  const { damaged } = await rowsAfter(setting, blobs, [
    ...[1, 2, 3].map((n) => storedBlob(n)),
    ...[1, 2, 3].map((n) => blobEvent('BlobDamaged', n, { key: `key-${n}`, fault: 'short' })),
    storedBlob(1, 'key-1-again'),
    blobEvent('BlobDeleted', 2, { size: 2000, key: 'key-2' }),
  ]);
  assert.deepEqual(withoutTimes(damaged), [{ digest: digest(3), key: 'key-3', fault: 'short' }]);
});

const descriptor = (n: number, mediaType = 'a/b') => ({ mediaType, digest: digest(n), size: n });
const deletedManifest = (n: number, repository: string, more: object = {}): DomainEvent => ({
  type: 'ManifestDeleted',
  data: {
    repository,
    digest: digest(n),
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    size: n,
    key: `manifest-${n}`,
    blobs: [],
    manifests: [],
    ...more,
  },
});

test('blobs: what each manifest needs, and when it was released', async (t) => {
  const setting = await startSetting(t);
  const needs = { config: descriptor(1), layers: [descriptor(2), descriptor(2)], mentions: [digest(3)] };
  const { needs: rows, released } = await rowsAfter(setting, blobs, [
    pushedManifest(10, 'library/a', undefined, needs),
    pushedManifest(10, 'library/b', undefined, needs),
    pushedManifest(11, 'library/a', undefined, { manifests: [descriptor(10)] }),
    deletedManifest(10, 'library/b', { blobs: [digest(1), digest(2), digest(3)] }),
    deletedManifest(11, 'library/a', { manifests: [digest(10)] }),
    pushedManifest(11, 'library/a', undefined, { manifests: [descriptor(10)] }),
    linkedBlob(4, 'library/b'),
    deletedManifest(12, 'library/b', { blobs: [digest(4)] }),
    { type: 'BlobUnlinked', data: { repository: 'library/b', digest: digest(4) } },
  ]);
  assert.deepEqual(
    rows?.map(({ repository, manifest, digest: need }) => [repository, manifest, need]),
    [
      ['library/a', digest(10), digest(1)],
      ['library/a', digest(10), digest(2)],
      ['library/a', digest(10), digest(3)],
      ['library/a', digest(11), digest(10)],
    ],
  );
  assert.deepEqual(
    released?.map(({ repository, digest: of }) => [repository, of]),
    [1, 2, 3].map((n) => ['library/b', digest(n)]),
  );
});

test('artifacts: what is deleted, condemned, damaged, named by an index, or was let go by a tag', async (t) => {
  const setting = await startSetting(t);
  const at = (n: number) => ({ ...inA, digest: digest(n) });
  const tables = await rowsAfter(setting, artifacts, [
    ...[1, 2, 3].map((n) => pushedManifest(n, 'library/a', undefined, { subject: descriptor(9) })),
    pushedManifest(4, 'library/a', undefined, { manifests: [descriptor(1), descriptor(2)] }),
    pushedManifest(5, 'library/a', undefined, { manifests: [descriptor(3)] }),
    ...[1, 2].map((n) => ({ type: 'ManifestCondemned', data: { ...at(n), condemnation: `c${n}` } })),
    { type: 'ManifestReprieved', data: at(2) },
    ...[2, 3, 5].map((n) => ({ type: 'ManifestDamaged', data: { ...at(n), key: `k${n}`, fault: 'f' } })),
    pushedManifest(3, 'library/a', undefined, { subject: descriptor(9) }),
    deletedManifest(5, 'library/a', { manifests: [digest(3)] }),
    movedTag('library/a', 'latest', 1, 2),
    { type: 'TagRemoved', data: { ...at(2), tag: 'latest' } },
  ]);
  assert.deepEqual(
    tables.artifacts?.map(({ digest: of, subject }) => [of, subject]),
    [1, 2, 3, 4].map((n) => [digest(n), n === 4 ? null : digest(9)]),
  );
  assert.deepEqual(withoutTimes(tables.condemned), [{ ...at(1), condemnation: 'c1' }]);
  assert.deepEqual(
    tables.damaged?.map(({ digest: of, key }) => [of, key]),
    [[digest(2), 'k2']],
  );
  assert.deepEqual(
    tables.children?.map(({ index, digest: of }) => [index, of]),
    [1, 2].map((n) => [digest(4), digest(n)]),
  );
  assert.deepEqual(
    withoutTimes(tables.touched),
    [1, 2, 3, 5].map((n) => at(n)),
  );
});

test('referrers: what refers to each subject, with the type that a filter compares', async (t) => {
  const setting = await startSetting(t);
  const subject = descriptor(9);
  const { referrers: rows } = await rowsAfter(setting, referrers, [
    pushedManifest(1, 'library/a', 'application/own', { subject, config: descriptor(3, 'config/type') }),
    pushedManifest(2, 'library/a', undefined, { subject, config: descriptor(3, 'config/type') }),
    pushedManifest(3, 'library/a', undefined, { subject, annotations: { a: 'x\0\ud800' } }),
    pushedManifest(4, 'library/a'),
    pushedManifest(5, 'library/a', undefined, { subject }),
    deletedManifest(5, 'library/a', { subject: digest(9) }),
  ]);
  assert.deepEqual(
    rows?.map(({ subject: of, digest: by, artifact_type }) => [of, by, artifact_type]),
    [
      [digest(9), digest(1), 'application/own'],
      [digest(9), digest(2), 'config/type'],
      [digest(9), digest(3), ''],
    ],
  );
  assert.deepEqual(JSON.parse(String(rows?.[2]?.descriptor)).annotations, { a: 'x\0\ud800' });
  assert.ok(rows?.every((row) => Buffer.byteLength(String(row.descriptor)) === row.bytes));
});

test('projects: who owns each project, and whether anyone may pull from it', async (t) => {
  const setting = await startSetting(t);
  const { projects: rows } = await rowsAfter(setting, projects, [
    createdProject('library', 1, true),
    createdProject('secret', 2, false),
  ]);
  assert.deepEqual(
    rows?.map(({ created_at: _, updated_at: __, ...row }) => row),
    [
      { name: 'library', project_id: 1, public: true, metadata: {}, owner: 'admin' },
      { name: 'secret', project_id: 2, public: false, metadata: {}, owner: 'admin' },
    ],
  );
});

test('repositories: each that ever held a manifest, until its project goes or the next of the name begins', async (t) => {
  const setting = await startSetting(t);
  const { repositories: rows } = await rowsAfter(setting, repositories, [
    pushedManifest(1, 'library/a'),
    pushedManifest(2, 'library/a'),
    pushedManifest(1, 'team/deep/b'),
    linkedBlob(1, 'library/without-manifest'),
    ...['gone', 'again', 'gone-not'].map((name) => pushedManifest(1, `${name}/a`)),
    { type: 'ProjectDeleted', data: { name: 'gone', projectId: 2 } },
    { type: 'ProjectDeleted', data: { name: 'again', projectId: 3 } },
    pushedManifest(1, 'again/late'),
    { type: 'ProjectCreated', data: { name: 'again', projectId: 4, public: false, owner: 'admin' } },
    pushedManifest(1, 'again/b'),
  ]);
  assert.deepEqual(
    rows?.map(({ name, project }) => [name, project]),
    [
      ['again/b', 'again'],
      ['gone-not/a', 'gone-not'],
      ['library/a', 'library'],
      ['team/deep/b', 'team'],
    ],
  );
});

test('tags: where each tag points now', async (t) => {
  const setting = await startSetting(t);
  const { tags: rows } = await rowsAfter(setting, tags, [
    assignedTag('library/a', 'latest', 1),
    assignedTag('library/a', '1.0', 1),
    movedTag('library/a', 'latest', 1, 2),
    assignedTag('library/b', 'latest', 3),
    movedTag('library/a', 'latest', 2, 4),
    assignedTag('library/a', 'gone', 4),
    { type: 'TagRemoved', data: { repository: 'library/a', tag: 'gone', digest: digest(4) } },
    { type: 'TagRemoved', data: { repository: 'library/a', tag: '1.0', digest: digest(1) } },
    assignedTag('library/a', '1.0', 1),
  ]);
  assert.deepEqual(rows, [
    { repository: 'library/a', tag: '1.0', digest: digest(1) },
    { repository: 'library/a', tag: 'latest', digest: digest(4) },
    { repository: 'library/b', tag: 'latest', digest: digest(3) },
  ]);
});

test('a replay of all views together yields the rows that each of them had', async (t) => {
  const setting = await startSetting(t);
  const history: DomainEvent[] = [createdUser('admin', 1, true), createdProject('library', 1, true)];
  for (let n = 1; n <= 300; n++) {
    const repository = `library/app-${n % 17}`;
    history.push(storedBlob(n), linkedBlob(n, repository), linkedBlob(1 + (n % 5), repository));
    history.push(pushedManifest(n, repository), assignedTag(repository, `v${n}`, n));
    history.push(movedTag(repository, 'latest', 1, n));
  }
  for (let from = 0; from < history.length; from += 500) {
    const events = history.slice(from, from + 500).map((event) => ({
      ...event,
      id: newEventId(),
      version: currentVersion(catalogue, event.type),
      metadata: { actor: 'user:admin' },
    }));
    await setting.log.append('history/all', 'any', events);
  }
  const runner = await run(setting, { projections, catalogue });
  await runner.caughtUp();
  const before = await Promise.all(projections.map((projection) => rowsOf(runner.database, projection)));

  const results = await replayViews({
    log: setting.log,
    database: runner.database,
    catalogue,
    projections,
    onProgress: () => undefined,
  });

  assert.deepEqual(
    results.map(({ projection, difference, position }) => [projection.name, difference, position]),
    projections.map(({ name }) => [name, null, BigInt(history.length)]),
  );
  const after = await Promise.all(projections.map((projection) => rowsOf(runner.database, projection)));
  assert.deepEqual(after, before);
});
