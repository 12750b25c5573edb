import assert from 'node:assert/strict';
import { test } from 'node:test';
import { naturalKey } from '../../domain/tag/natural-order.ts';

const sorted = (...tags: string[]): string[] =>
  tags.toSorted((a, b) => Buffer.compare(Buffer.from(naturalKey(a)), Buffer.from(naturalKey(b))));

test('numbers in tags count as numbers, however long they are', () => {
  const inOrder = [
    '1.2',
    '1.9',
    '1.10',
    '1.10.1',
    '2',
    '10',
    `1${'0'.repeat(120)}`,
    'v1',
    'v1-rc2',
    'v1-rc10',
    'v02',
    'v10',
  ];
  assert.deepEqual(sorted(...inOrder.toReversed()), inOrder);
});

test('zeros before a number count for nothing', () => {
  assert.equal(naturalKey('v007'), naturalKey('v7'));
  assert.notEqual(naturalKey('v0'), naturalKey('v'));
});
