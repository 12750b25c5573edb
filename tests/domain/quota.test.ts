import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quotaDecider } from '../../domain/quota/decider.ts';
import { recountOf } from '../../domain/quota/recount.ts';
import { given } from '../given.ts';

const of = { projectId: 2, project: 'team' };
const set = (storage: number) => ({ type: 'QuotaSet', data: { ...of, storage } }) as const;
const told = (type: 'QuotaWarned' | 'QuotaEased', used: number, storage = 1000) =>
  ({ type, data: { ...of, storage, used } }) as const;
const observe = (used: number, storage = 1000) => ({ do: 'observe', ...of, used, storage }) as const;

test('a quota is set once', () => {
  given(quotaDecider)
    .when({ do: 'set', ...of, storage: 1000 })
    .then(set(1000));
  given(quotaDecider, set(1000))
    .when({ do: 'set', ...of, storage: 1000 })
    .then();
  given(quotaDecider, set(1000), set(-1))
    .when({ do: 'set', ...of, storage: 1000 })
    .then(set(1000));
});

test('a warning comes at 85 %, once until there is room again', () => {
  given(quotaDecider).when(observe(849)).then();
  given(quotaDecider).when(observe(850)).then(told('QuotaWarned', 850));
  given(quotaDecider, told('QuotaWarned', 850)).when(observe(1200)).then();
  given(quotaDecider, told('QuotaWarned', 850)).when(observe(849)).then(told('QuotaEased', 849));
  given(quotaDecider, told('QuotaWarned', 850), told('QuotaEased', 0))
    .when(observe(1000))
    .then(told('QuotaWarned', 1000));
});

test('of a project that may hold any number of bytes there is nothing to warn', () => {
  given(quotaDecider).when(observe(1e15, -1)).then();
  given(quotaDecider, told('QuotaWarned', 850))
    .when(observe(900, -1))
    .then(told('QuotaEased', 900, -1));
});

test('a recount counts a digest once for a project, and a manifest and a blob of one digest both', () => {
  const recount = recountOf('team');
  const digest = 'sha256:a';
  for (const [type, data] of [
    ['BlobStored', { digest, size: 10 }],
    ['BlobLinked', { digest, repository: 'team/a' }],
    ['BlobLinked', { digest, repository: 'team/b' }],
    ['BlobLinked', { digest, repository: 'teams/a' }],
    ['ManifestPushed', { digest, repository: 'team/a', size: 10 }],
    ['BlobUnlinked', { digest, repository: 'team/a' }],
  ] as const)
    recount.add({ type, data });
  assert.deepEqual([recount.bytes, recount.objects], [20, 2]);
  recount.add({ type: 'BlobUnlinked', data: { digest, repository: 'team/b' } });
  assert.deepEqual([recount.bytes, recount.objects], [10, 1]);
});
