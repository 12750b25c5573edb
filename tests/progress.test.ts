import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressLine } from '../bin/progress.ts';

test('a rebuild’s progress shows the part that is done, the rate and the time left', () => {
  const line = progressLine({ events: 50_000, position: 250n, head: 1000n }, 2);
  assert.equal(line, '[########----------------------] 25% | 50,000 events, 25,000/s | 6 s left');
});

test('the progress of an empty log is complete', () => {
  const line = progressLine({ events: 0, position: 0n, head: 0n }, 0);
  assert.equal(line, '[##############################] 100% | 0 events, 0/s | 0 s left');
});
