import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type Pull, pullRecorder } from '../commands/record-pulls.ts';
import { type Configuration, standardConfiguration } from '../domain/configuration/items.ts';
import type { Digest } from '../domain/digest.ts';
import type { Pulled } from '../domain/pull/events.ts';

const pull: Pull = { repository: 'library/app', projectId: 1, digest: `sha256:${'0'.repeat(64)}` as Digest };
const byRobot = (name: string) => ({ actor: `robot:${name}` });

/** A recorder, and what it has recorded and dropped; `settings` can be changed, or be out of reach. */
function start() {
  const recorded: (Pulled & { readonly stream: string; readonly actor: string })[] = [];
  const state = { settings: standardConfiguration, isAway: false, asked: 0, dropped: 0 };
  const record = pullRecorder({
    background: {
      record: (stream, { data }, { actor }) => recorded.push({ ...(data as Pulled), stream, actor }),
    },
    async settings() {
      state.asked += 1;
      if (state.isAway) throw new Error('away');
      return state.settings;
    },
    standard: standardConfiguration,
    onDropped: (events) => {
      state.dropped += events;
    },
  });
  const set = (items: Partial<Configuration>) => {
    state.settings = { ...state.settings, ...items };
  };
  return { record, recorded, state, set };
}

test('a pull is recorded in the stream of its day, with what the settings let it count for', async () => {
  const { record, recorded, set } = start();
  record(pull, { actor: 'user:dev' });
  await turn();
  set({ pull_time_update_disable: true });
  record(pull, { actor: 'user:dev' });
  await turn();
  set({ pull_time_update_disable: false, pull_count_update_disable: true });
  record({ ...pull, tag: 'v1' }, { actor: 'anonymous' });
  await turn();
  assert.deepEqual(
    recorded.map(({ timed, counted, tag, actor }) => [timed, counted, tag, actor]),
    [
      [true, true, undefined, 'user:dev'],
      [false, true, undefined, 'user:dev'],
      [true, false, 'v1', 'anonymous'],
    ],
  );
  for (const { stream, pulledAt } of recorded) assert.equal(stream, `pulls/${pulledAt.slice(0, 10)}`);
});

test('where the settings say so, scanners count for nothing, and nobody else is taken for one', async () => {
  const { record, recorded, set } = start();
  set({ scanner_skip_update_pulltime: true });
  for (const name of ['library+scanner-Trivy-1', 'scanner-Trivy', 'library+my-scanner-1', 'scanners'])
    record(pull, byRobot(name));
  record(pull, { actor: 'user:scanner-1' });
  await turn();
  assert.deepEqual(
    recorded.map(({ timed, counted }) => timed && counted),
    [false, false, true, true, true],
  );
});

test('pulls that come at once ask for the settings once; while these are away the last known count', async () => {
  const { record, recorded, state, set } = start();
  set({ pull_count_update_disable: true });
  for (let n = 0; n < 100; n += 1) record(pull, { actor: 'anonymous' });
  await turn();
  assert.deepEqual([recorded.length, state.asked], [100, 1]);
  state.isAway = true;
  record(pull, { actor: 'anonymous' });
  await turn();
  assert.equal(recorded.at(-1)?.counted, false);
});

test('more pulls than fit in memory are dropped and counted', () => {
  const { record, state } = start();
  for (let n = 0; n < 10_010; n += 1) record(pull, { actor: 'anonymous' });
  assert.equal(state.dropped, 10);
});
