import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DomainEvent } from '../../domain/event.ts';
import { storage } from '../../projections/storage/projection.ts';
import { digestOf } from '../http/client.ts';
import { rowsAfter } from './views-rows.ts';
import { startSetting } from './views-setting.ts';

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
