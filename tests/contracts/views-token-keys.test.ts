import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DomainEvent } from '../../domain/event.ts';
import { tokenKeys } from '../../projections/token-keys/projection.ts';
import { rowsAfter } from './views-rows.ts';
import { startSetting } from './views-setting.ts';

const publicKey = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' };
const at = (hour: number) => `2026-11-23T0${hour}:00:00.000Z`;
const created = (kid: string): DomainEvent => ({
  type: 'SigningKeyCreated',
  data: { kid, algorithm: 'ES256', publicKey, sealedPrivateKey: `sealed ${kid}`, signsFrom: at(1) },
});
const retired = (kid: string, hour: number): DomainEvent => ({
  type: 'SigningKeyRetired',
  data: { kid, verifiesUntil: at(hour) },
});

test('token keys: every key, and until when those that were replaced verify, as was said last', async (t) => {
  const setting = await startSetting(t);
  const rows = await rowsAfter(setting, tokenKeys, [
    created('one'),
    created('two'),
    retired('one', 5),
    created('three'),
    retired('one', 3),
    retired('two', 4),
  ]);
  assert.deepEqual(
    rows.token_keys?.map(({ kid, sealed_private_key, public_key }) => [kid, sealed_private_key, public_key]),
    ['one', 'three', 'two'].map((kid) => [kid, `sealed ${kid}`, publicKey]),
  );
  assert.deepEqual(rows.retired_token_keys, [
    { kid: 'one', verifies_until: new Date(at(3)) },
    { kid: 'two', verifies_until: new Date(at(4)) },
  ]);
});
