import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusedChangeRecorder } from '../commands/record-refused-change.ts';

const change = { change: 'delete_user', resource: 'bob', status: 403 } as const;

test('of one actor sixty refused changes are recorded in a minute, and the rest is dropped and counted', () => {
  let now = Date.parse('2026-11-28T10:00:10Z');
  let dropped = 0;
  const recorded: string[] = [];
  const record = refusedChangeRecorder({
    background: { record: (stream, { type }, { actor }) => recorded.push(`${stream} ${type} ${actor}`) },
    now: () => new Date(now),
    onDropped: (events) => {
      dropped += events;
    },
  });
  for (let n = 0; n < 65; n += 1) record(change, { actor: 'user:dev' });
  record(change, { actor: 'user:other' });
  assert.deepEqual([recorded.length, dropped], [61, 5]);
  assert.equal(recorded.at(-1), 'refused-changes/2026-11-28 ChangeRefused user:other');
  now += 60_000;
  record(change, { actor: 'user:dev' });
  assert.deepEqual([recorded.length, dropped], [62, 5]);
});
