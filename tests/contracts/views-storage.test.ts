import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catalogue, currentVersion } from '../../domain/catalogue.ts';
import type { DomainEvent } from '../../domain/event.ts';
import { recountOf } from '../../domain/quota/recount.ts';
import { projectOf } from '../../domain/repository.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { artifacts } from '../../projections/artifacts/projection.ts';
import { blobs } from '../../projections/blobs/projection.ts';
import { explainUsage, usageBy } from '../../projections/storage/explanation.ts';
import { storage } from '../../projections/storage/projection.ts';
import { seeded } from '../faults/oci-client.ts';
import { digestOf } from '../http/client.ts';
import { rowsAfter } from './views-rows.ts';
import { run, startSetting } from './views-setting.ts';

const digest = (n: number) => digestOf(String(n));
const stored = (n: number, size: number, copy = 1): DomainEvent => ({
  type: 'BlobStored',
  data: { digest: digest(n), size, key: `${n}/${copy}` },
});
const deleted = (n: number, size: number): DomainEvent => ({
  type: 'BlobDeleted',
  data: { digest: digest(n), size, key: `${n}/1` },
});

test('storage: each blob counts once, also where its bytes were stored again, and not when it is gone', async (t) => {
  const setting = await startSetting(t);
  const rows = await rowsAfter(setting, storage, [
    stored(1, 100),
    stored(2, 20),
    stored(1, 100, 2),
    deleted(2, 20),
    deleted(2, 20),
    stored(3, 3),
    deleted(3, 3),
    stored(3, 3, 2),
    stored(4, 2 ** 52),
  ]);
  assert.deepEqual(rows.totals, [{ of: 'blobs', count: 3n, bytes: 103n + 2n ** 52n }]);
});

const linked = (repository: string, n: number, isLinked = true): DomainEvent => ({
  type: isLinked ? 'BlobLinked' : 'BlobUnlinked',
  data: { repository, digest: digest(n) },
});
const pushed = (
  repository: string,
  n: number,
  size: number,
  isPushed = true,
  needs: readonly number[] = [],
): DomainEvent => ({
  type: isPushed ? 'ManifestPushed' : 'ManifestDeleted',
  data: {
    ...{ repository, digest: digest(n), size, key: `${repository} ${n}`, mediaType: 'application/json' },
    // Of a push, and of a deletion.
    ...{ layers: [], mentions: [], attributes: {}, manifests: [], blobs: [] },
    ...(needs.length > 0 && {
      layers: needs.map((each) => ({ digest: digest(each), size: 1, mediaType: '' })),
    }),
  },
});

test('storage: a project holds each blob and each manifest once, a repository all that it holds', async (t) => {
  const setting = await startSetting(t);
  const rows = await rowsAfter(setting, storage, [
    stored(1, 100),
    linked('a/x', 1),
    linked('a/y', 1),
    linked('b/x', 1),
    stored(2, 20),
    linked('a/x', 2),
    pushed('a/x', 3, 7),
    // Its bytes were damaged.
    pushed('a/x', 3, 7),
    pushed('a/y', 3, 7),
    // The digest of a manifest and of a blob: its bytes are stored twice.
    pushed('b/x', 1, 100),
    linked('a/x', 2, false),
    deleted(2, 20),
    stored(4, 4),
    linked('c', 4),
    linked('c', 4, false),
  ]);
  assert.deepEqual(rows.usages, [
    { project: 'a', objects: 2n, bytes: 107n },
    { project: 'b', objects: 2n, bytes: 200n },
  ]);
  assert.deepEqual(rows.repository_usages, [
    { repository: 'a/x', project: 'a', objects: 2n, bytes: 107n },
    { repository: 'a/y', project: 'a', objects: 2n, bytes: 107n },
    { repository: 'b/x', project: 'b', objects: 2n, bytes: 200n },
  ]);
});

test('storage: the parts of an explanation add up to what a recount of the log finds, wherever they are cut', async (t) => {
  const seed = Number(process.env.SHIPLOG_TEST_SEED ?? Date.now() % 2 ** 32);
  t.diagnostic(`SHIPLOG_TEST_SEED=${seed}`);
  const history = randomHistory(seeded(seed), 300);
  const setting = await startSetting(t);
  const views = await run(setting, { projections: [artifacts, blobs, storage], catalogue });
  for (const { type, data } of history)
    await setting.log.append(`history/${type}`, 'any', [
      {
        ...{ id: newEventId(), type, data },
        version: currentVersion(catalogue, type),
        metadata: { actor: 'system' },
      },
    ]);
  await views.reached(await setting.log.head(), [artifacts, blobs, storage]);
  const { kysely } = views.database;
  for (const project of projects) {
    const recount = recountOf(project);
    for (const event of history) recount.add(event);
    for (const limit of [1, 3, 7, 20_000]) {
      const sums = { objects: 0, bytes: 0, logical: 0 };
      for (let part = await explainUsage(kysely, project, undefined, limit); ; ) {
        for (const { objects, bytes } of part.rows) {
          sums.objects += objects;
          sums.bytes += bytes;
        }
        if (part.next === undefined) break;
        part = await explainUsage(kysely, project, part.next, limit);
      }
      for (let part = await usageBy(kysely, { by: 'project' }, undefined, limit); ; ) {
        for (const { name, logical, unique, reclaimable } of part.rows) {
          if (name === project) sums.logical += logical;
          assert.ok(reclaimable <= unique && unique <= logical);
        }
        if (part.next === undefined) break;
        part = await usageBy(kysely, { by: 'project' }, part.next, limit);
      }
      const { objects, bytes } = recount;
      assert.deepEqual(sums, { objects, bytes, logical: bytes }, `${project} by ${limit}`);
    }
  }
});

test('storage: whatever happens, it shows what a recount of the log finds', async (t) => {
  const seed = Number(process.env.SHIPLOG_TEST_SEED ?? Date.now() % 2 ** 32);
  t.diagnostic(`SHIPLOG_TEST_SEED=${seed}`);
  const history = randomHistory(seeded(seed), 400);
  const setting = await startSetting(t);
  const rows = await rowsAfter(setting, storage, history);
  const shown = Object.fromEntries(
    (rows.usages ?? []).map(({ project, bytes }) => [project, Number(bytes)] as const),
  );
  for (const project of projects) {
    const recount = recountOf(project);
    for (const event of history) recount.add(event);
    assert.equal(shown[project] ?? 0, recount.bytes, project);
    assert.equal(
      (rows.shares ?? []).filter((share) => share.project === project).length,
      recount.objects,
      project,
    );
  }
  for (const { repository, bytes, objects } of rows.repository_usages ?? []) {
    const held = (rows.holdings ?? []).filter((holding) => holding.repository === repository);
    assert.equal(held.length, Number(objects));
    assert.equal(
      held.reduce((sum, { size }) => sum + Number(size), 0),
      Number(bytes),
    );
  }
});

const repositories = ['a/x', 'a/y', 'a/x/z', 'a', 'b/x', 'ab/x'];
const projects = [...new Set(repositories.map(projectOf))];

/** As deciders let it happen: what is linked is stored, and what nobody holds any more is deleted. */
function randomHistory(random: () => number, length: number): DomainEvent[] {
  const one = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const sizeOf = (n: number) => n * 17 + 1;
  const blobs = new Map<number, Set<string>>();
  const manifests = new Set<string>();
  const history: DomainEvent[] = [];
  while (history.length < length) {
    const [n, repository] = [Math.floor(random() * 6), one(repositories)];
    const holders = blobs.get(n) ?? new Set();
    const manifest = `${repository} ${n}`;
    switch (one(['link', 'link', 'unlink', 'push', 'delete', 'damage'] as const)) {
      case 'link':
        if (holders.has(repository)) break;
        if (holders.size === 0) history.push(stored(n, sizeOf(n)));
        history.push(linked(repository, n));
        blobs.set(n, holders.add(repository));
        break;
      case 'unlink':
        if (!holders.delete(repository)) break;
        history.push({
          type: 'BlobCondemned',
          data: { digest: digest(n), repository, condemnation: 'of a test' },
        });
        if (random() < 0.3) {
          holders.add(repository);
          break;
        }
        history.push(linked(repository, n, false));
        if (holders.size === 0) history.push(deleted(n, sizeOf(n)));
        break;
      case 'push':
        history.push(pushed(repository, n, sizeOf(n), true, [one([0, 1, 2, 3]), one([2, 3, 4])]));
        manifests.add(manifest);
        break;
      case 'delete':
        if (manifests.delete(manifest)) history.push(pushed(repository, n, sizeOf(n), false));
        break;
      case 'damage':
        if (holders.size > 0) history.push(stored(n, sizeOf(n), 2));
    }
  }
  return history;
}
