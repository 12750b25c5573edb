import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { catalogue, currentVersion } from '../../domain/catalogue.ts';
import type { DomainEvent } from '../../domain/event.ts';
import { viewOf } from '../../infra/database/projection.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import type { Filter, Listing } from '../../projections/listing.ts';
import { pulls } from '../../projections/pulls/projection.ts';
import { findArtifactIds } from '../../projections/repositories/artifact-ids.ts';
import { findArtifacts } from '../../projections/repositories/artifacts.ts';
import { type RepositoriesDatabase, repositories } from '../../projections/repositories/projection.ts';
import { run, startSetting } from './views-setting.ts';

const count = 12_000;
const repository = 'library/large';
const digest = (n: number): string => `sha256:${String(n).padStart(64, '0')}`;

const pushed = (n: number): DomainEvent => ({
  type: 'ManifestPushed',
  data: {
    ...{ repository, digest: digest(n), mediaType: 'application/vnd.oci.image.manifest.v1+json', size: 1000 },
    ...{ key: `key-${n}`, layers: [], manifests: [], mentions: [], attributes: {} },
    // Each of 100 has one of a kind of its own.
    config: {
      mediaType: `application/vnd.a.${n % 100 === 0 ? `k${n}` : 'common'}.config.v1+json`,
      digest: digest(0),
      size: 2,
    },
  },
});
const assigned = (n: number): DomainEvent => ({
  type: 'TagAssigned',
  data: { repository, tag: `v${n}`, digest: digest(n) },
});

const setting = await startSetting({ after } as never);
const history: DomainEvent[] = [
  { type: 'ProjectCreated', data: { name: 'library', projectId: 1, public: true, owner: 'admin' } },
];
for (let n = 1; n <= count; n += 1) history.push(pushed(n), ...(n % 3 === 0 ? [assigned(n)] : []));
for (let from = 0; from < history.length; from += 1000)
  await setting.log.append(
    'history/all',
    'any',
    history.slice(from, from + 1000).map((event) => ({
      ...event,
      id: newEventId(),
      version: currentVersion(catalogue, event.type),
      metadata: { actor: 'user:admin' },
    })),
  );
const views = await run(setting, { projections: [pulls, repositories], catalogue });
await views.caughtUp();
const db = viewOf<RepositoriesDatabase>(views.database.kysely, repositories);
after(() => views.close());

const listing = (more: Partial<Listing> = {}): Listing => ({
  ...{ filters: [], sort: [], offset: 0, limit: 10 },
  ...more,
});
const is = (key: string, value: string): Filter => ({ key, kind: 'is', value });
async function numbers(asked: Listing) {
  const { ids, total } = await findArtifactIds(db, { repository }, asked);
  const artifacts = await findArtifacts(db, ids);
  assert.equal(artifacts.length, ids.length);
  return { total, shown: artifacts.map((artifact) => Number(artifact.digest.slice('sha256:'.length))) };
}
const down = (from: number, to: number, step = 1) =>
  Array.from({ length: Math.floor((from - to) / step) + 1 }, (_, n) => from - n * step);

test('every page of a long list is where it belongs, also far from its beginning', async () => {
  for (const offset of [0, 10, 5990, 6000, 6010, 11_985, 11_990]) {
    const from = count - offset;
    assert.deepEqual(await numbers(listing({ offset })), { total: count, shown: down(from, from - 9) });
  }
  assert.deepEqual(await numbers(listing({ offset: count - 5 })), { total: count, shown: down(5, 1) });
  for (const offset of [count, count + 10, 10_000_000])
    assert.deepEqual(await numbers(listing({ offset })), { total: count, shown: [] });
  const oldest = listing({ sort: [{ key: 'push_time', descending: false }], offset: 7000 });
  assert.deepEqual(await numbers(oldest), { total: count, shown: down(7010, 7001).toReversed() });
});

test('a part of the kinds and states is merged in the order of all', async () => {
  const untagged = down(count, 1).filter((n) => n % 3 !== 0);
  assert.deepEqual(await numbers(listing({ filters: [is('tags', 'nil')], offset: 5000 })), {
    ...{ total: untagged.length, shown: untagged.slice(5000, 5010) },
  });
  const tagged = down(count, 1).filter((n) => n % 3 === 0);
  assert.deepEqual(await numbers(listing({ filters: [is('tags', '*')], offset: 3990 })), {
    ...{ total: tagged.length, shown: tagged.slice(3990, 4000) },
  });
  assert.deepEqual(await numbers(listing({ filters: [is('type', 'K600')] })), { total: 1, shown: [600] });
  const k: Filter = { key: 'type', kind: 'contains', value: 'k1' };
  const special = down(count, 100, 100).filter((n) => String(n).startsWith('1'));
  assert.deepEqual(await numbers(listing({ filters: [k] })), {
    ...{ total: special.length, shown: special.slice(0, 10) },
  });
  const tens = listing({ filters: [is('base', '*')], offset: 20 });
  assert.deepEqual(await numbers(tens), { total: count, shown: down(count - 20, count - 29) });
});

test('everything is found as ids', async () => {
  const { ids, total } = await findArtifactIds(db, { repository }, listing({ limit: undefined }));
  assert.deepEqual([ids.length, new Set(ids).size, total], [count, count, count]);
});
