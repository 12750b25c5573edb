import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedMemory } from '../infra/blob-store/transfer-memory.ts';

test('parts of shared memory shrink while many are at work, and grow again', () => {
  const memory = sharedMemory(1000, 10, 400);
  assert.equal(memory.part(), 400, 'nobody is at work');
  const leave = Array.from({ length: 4 }, () => memory.join());
  assert.equal(memory.part(), 250);
  const more = Array.from({ length: 996 }, () => memory.join());
  assert.equal(memory.part(), 10, 'no less than the least');
  for (const each of [...more, ...leave.slice(1)]) each();
  assert.equal(memory.part(), 400, 'no more than the most');
});
