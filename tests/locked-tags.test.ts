import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lockedOf, requireDeletable } from '../commands/locked-tags.ts';
import type { TagLocks } from '../domain/immutability/locks.ts';
import { Refusal } from '../domain/refusal.ts';

const locksOn = (isLocked: (tag: string) => boolean): TagLocks => ({
  isEmpty: () => false,
  forbid: isLocked,
});

test('what has one tag that must not be deleted is not deleted', async () => {
  const locks = locksOn((tag) => tag.startsWith('v'));
  await requireDeletable('team/app', ['latest', 'next'], locks);
  await assert.rejects(requireDeletable('team/app', ['latest', 'v1', 'v2'], locks), (error) => {
    assert.ok(error instanceof Refusal);
    assert.deepEqual(error.reason, {
      kind: 'tag-immutable',
      repository: 'team/app',
      tag: 'v1',
      deed: 'delete',
    });
    return true;
  });
});

test('while slow rules are compared with many tags, others get their turn', async () => {
  let turns = 0;
  const other = setInterval(() => {
    turns += 1;
  }, 1);
  const slow = locksOn(() => {
    for (const until = performance.now() + 5; performance.now() < until; );
    return true;
  });
  const tags = Array.from({ length: 40 }, (_, index) => `v${index}`);
  assert.equal((await lockedOf(slow, tags)).size, 40);
  clearInterval(other);
  assert.ok(turns >= 5, `${turns} turns`);
});
