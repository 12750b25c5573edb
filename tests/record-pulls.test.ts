import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Pull, pullRecorder } from '../commands/record-pulls.ts';
import { type Configuration, standardConfiguration } from '../domain/configuration/items.ts';
import type { Digest } from '../domain/digest.ts';
import type { Metadata } from '../domain/event.ts';
import type { Pulled } from '../domain/pull/events.ts';
import { until } from './until.ts';

const pull: Pull = { repository: 'library/app', projectId: 1, digest: `sha256:${'0'.repeat(64)}` as Digest };
const by = (actor: string): Metadata => ({
  actor,
  clientIp: '10.0.0.1',
  userAgent: 'docker',
  requestId: '1',
});

/** A recorder, and what it has recorded and dropped; `settings` can be changed, or be out of reach. */
function start(gatherMs = 5, settled: Promise<unknown> = Promise.resolve()) {
  const recorded: (Pulled & { readonly stream: string; readonly metadata: Metadata })[] = [];
  const state = {
    settings: standardConfiguration,
    isAway: false,
    isSilent: false,
    asked: 0,
    dropped: 0,
    closed: false,
  };
  const { record, close } = pullRecorder({
    background: {
      record: (stream, { data }, metadata) => recorded.push({ ...(data as Pulled), stream, metadata }),
      flushed: async () => undefined,
      async close() {
        state.closed = true;
      },
    },
    async settings() {
      state.asked += 1;
      if (state.isAway) throw new Error('away');
      if (state.isSilent) await new Promise(() => undefined);
      await settled;
      return state.settings;
    },
    standard: standardConfiguration,
    gatherMs,
    settingsMs: 100,
    onDropped: (events) => {
      state.dropped += events;
    },
  });
  const set = (items: Partial<Configuration>) => {
    state.settings = { ...state.settings, ...items };
  };
  const areRecorded = (count: number) => until(`${count} are recorded`, () => recorded.length === count);
  return { record, close, recorded, state, set, areRecorded };
}

test('a pull is recorded in the stream of its day, with what the settings let it count for', async () => {
  const { record, recorded, set, areRecorded } = start();
  record(pull, by('user:dev'));
  await areRecorded(1);
  set({ pull_time_update_disable: true });
  record(pull, by('user:dev'));
  await areRecorded(2);
  set({ pull_time_update_disable: false, pull_count_update_disable: true });
  record({ ...pull, tag: 'v1' }, by('anonymous'));
  await areRecorded(3);
  assert.deepEqual(
    recorded.map(({ timed, counted, tag, metadata }) => [timed, counted, tag, metadata.actor]),
    [
      [true, true, undefined, 'user:dev'],
      [false, true, undefined, 'user:dev'],
      [true, false, 'v1', 'anonymous'],
    ],
  );
  for (const { stream, pulledAt } of recorded) assert.equal(stream, `pulls/${pulledAt.slice(0, 10)}`);
});

test('where the settings say so, scanners count for nothing, and nobody else is taken for one', async () => {
  const { record, recorded, set, areRecorded } = start();
  set({ scanner_skip_update_pulltime: true });
  for (const name of ['library+scanner-Trivy-1', 'scanner-Trivy', 'library+my-scanner-1', 'scanners'])
    record(pull, by(`robot:${name}`));
  record(pull, by('user:scanner-1'));
  await areRecorded(5);
  assert.deepEqual(
    recorded.map(({ timed, counted }) => timed && counted),
    [false, false, true, true, true],
  );
});

test('what one client reads again at once is one event that says how often, and the settings are asked once', async () => {
  const { record, recorded, state, areRecorded } = start();
  for (let n = 0; n < 100; n += 1) record({ ...pull, tag: 'v1' }, by('user:dev'));
  record(pull, by('user:dev'));
  record({ ...pull, tag: 'v1' }, by('user:other'));
  for (const more of [{ clientIp: '10.0.0.2' }, { userAgent: 'crane' }, { accessToken: 3 }])
    record({ ...pull, tag: 'v1' }, { ...by('user:dev'), ...more });
  await areRecorded(6);
  assert.deepEqual(
    recorded.map(({ times }) => times),
    [100, undefined, undefined, undefined, undefined, undefined],
  );
  assert.equal(state.asked, 1);
  record({ ...pull, tag: 'v1' }, by('user:dev'));
  await areRecorded(7);
});

test('while the settings are out of reach, those that were known last count', async () => {
  const { record, recorded, state, set, areRecorded } = start();
  set({ pull_count_update_disable: true });
  record(pull, by('user:dev'));
  await areRecorded(1);
  state.isAway = true;
  record(pull, by('user:dev'));
  await areRecorded(2);
  assert.equal(recorded.at(-1)?.counted, false);
});

test('more than fits in memory is dropped and counted, and a close records what was gathered', async () => {
  const { record, close, recorded, state } = start(60_000);
  for (let n = 0; n < 10_010; n += 1) record({ ...pull, tag: `v${n}` }, by('anonymous'));
  record({ ...pull, tag: 'v1' }, by('anonymous'));
  assert.equal(state.dropped, 10);
  await close();
  assert.equal(recorded.length, 10_000);
  assert.equal(recorded[1]?.times, 2);
  record(pull, by('late'));
  assert.deepEqual([state.dropped, state.closed], [11, true]);
});

test('what is being recorded when it ends is recorded before it has ended', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { record, close, recorded, state } = start(5, promise);
  record(pull, by('user:dev'));
  await until('the settings are asked for', () => state.asked === 1);
  const closed = close();
  await new Promise((later) => setTimeout(later, 20));
  assert.equal(state.closed, false);
  resolve();
  await closed;
  assert.deepEqual([recorded.length, state.closed], [1, true]);
});

test('settings that do not come are waited for a bounded time', async () => {
  const { record, close, recorded, state } = start();
  state.isSilent = true;
  record(pull, by('user:dev'));
  await close();
  assert.equal(recorded.length, 1);
});
