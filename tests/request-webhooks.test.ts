import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deliveryIdsAllocator } from '../commands/allocate-delivery-ids.ts';
import type { DeliveriesRequest } from '../commands/request-webhook-deliveries.ts';
import type { RecordedEvent } from '../domain/event.ts';
import { noFilters } from '../domain/webhook/events.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import { type RequestWebhooksPorts, requestWebhooks, type ToldPolicy } from '../workers/request-webhooks.ts';

const policyFor = (
  policyId: number,
  projectId: number | null,
  more: Partial<ToldPolicy> = {},
): ToldPolicy => ({
  ...{ policyId, projectId, isEnabled: true, since: 1n, targets: 1, filters: noFilters },
  updatedAt: new Date(0),
  eventTypes: ['PUSH_ARTIFACT', 'DELETE_ARTIFACT'],
  ...more,
});
const push = (position: bigint, repository = 'team/app'): RecordedEvent => ({
  ...{ position, stream: `tag/${repository}:v1`, revision: 0n, id: newEventId() },
  ...{ type: 'TagAssigned', version: 1, recordedAt: new Date(), metadata: { actor: 'user:jane' } },
  data: { repository, tag: 'v1', digest: `sha256:${'a'.repeat(64)}` },
});

/** Who asks for deliveries, and what was asked for: how often, and of which policies of which projects. */
function startRequesting(policies: readonly ToldPolicy[], more: Partial<RequestWebhooksPorts> = {}) {
  const calls: DeliveriesRequest[][] = [];
  let ids = 0;
  const requesting = requestWebhooks({
    checkpoints: { read: async () => 1n, write: async () => undefined },
    head: async () => 1n,
    lastTold: async () => undefined,
    policies: async () => policies,
    settings: async () => ({ isEnabled: true, robotPrefix: 'robot$' }),
    facts: async () => ({
      projects: new Map([['team', { projectId: 7, isPublic: true }]]),
      repositories: new Map(),
    }),
    host: 'reg.example.com',
    shown: async () => undefined,
    allocateIds: async (count) => Array.from({ length: count }, () => ++ids),
    async request(requests) {
      calls.push([...requests]);
      return 100n;
    },
    onRequested: async () => undefined,
    ...more,
  });
  const take = (events: readonly RecordedEvent[]) => requesting.take(events, new AbortController().signal);
  const told = () =>
    calls
      .flat()
      .map(({ data }) => [
        data.sourcePosition,
        data.projectId,
        data.deliveries.map(({ policyId }) => policyId),
      ]);
  return { begin: requesting.begin, take, calls, told };
}

test('what happened in a project that is gone by now is told to those who are told of every project', async () => {
  const { take, told } = startRequesting([policyFor(1, 7), policyFor(2, null)]);
  await take([push(5n), push(6n, 'gone/app')]);
  assert.deepEqual(told(), [
    ['5', 7, [1, 2]],
    ['6', null, [2]],
  ]);
});

test('of a long way behind, no more is asked for at once than fits', async () => {
  const { take, calls, told } = startRequesting([policyFor(1, null, { targets: 20 })]);
  const events = Array.from({ length: 120 }, (_, index) => push(BigInt(index + 2)));
  await take(events);
  assert.ok(calls.every(({ length }) => length <= 50));
  assert.deepEqual(
    told().map(([position]) => position),
    events.map(({ position }) => String(position)),
  );
});

test('whichever process gives numbers to deliveries, what comes more than a moment later has a greater one', async () => {
  let [blocks, nowMs] = [0, 0];
  const allocateIds = async (_: string, count: number) => Array.from({ length: count }, () => ++blocks);
  const [one, other] = [0, 0].map(() => deliveryIdsAllocator(allocateIds, () => nowMs));
  const last: number[] = [];
  for (const allocate of [one, one, other, one, other]) {
    last.push(...((await allocate?.(1, { actor: 'system' })) ?? []));
    nowMs += allocate === one && last.length === 1 ? 10 : 2000;
  }
  assert.deepEqual(
    last,
    last.toSorted((first, second) => first - second),
  );
  assert.equal(last[1], 2, 'within a moment a block is used up');
});

test('who has lost the mark tells what nobody was told yet, and nothing by policies that asked for it only later', async () => {
  const marks = new Map<string, bigint>();
  const checkpoints = {
    read: async (follower: string) => marks.get(follower),
    write: async (follower: string, position: bigint) => void marks.set(follower, position),
  };
  const lost = { checkpoints, head: async () => 7n, lastTold: async () => 4n };
  const policies = [policyFor(1, null), policyFor(2, null, { updatedAt: new Date('2026-11-28T12:00:00Z') })];
  const recordedAt = new Date('2026-11-28T11:00:00Z');
  assert.equal(await startRequesting(policies, lost).begin(), 4n);
  // A server has written the mark, and a worker goes on from there.
  const { begin, take, told } = startRequesting(policies, lost);
  assert.equal(await begin(), 4n);
  await take([
    { ...push(6n), recordedAt },
    { ...push(8n), recordedAt },
  ]);
  assert.deepEqual(told(), [
    ['6', 7, [1]],
    ['8', 7, [1, 2]],
  ]);
});
