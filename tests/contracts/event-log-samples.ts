import assert from 'node:assert/strict';
import type { Metadata, RecordedEvent } from '../../domain/event.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import type { EventLog, NewEvent } from '../../infra/event-log/port.ts';
import { until } from '../until.ts';

export const anEvent = (data: object = {}, metadata: Metadata = { actor: 'user:admin' }): NewEvent => ({
  id: newEventId(),
  type: 'TagAssigned',
  version: 1,
  data,
  metadata,
});

export const someEvents = (count: number): NewEvent[] =>
  Array.from({ length: count }, (_, n) => anEvent({ n }));

/** An event whose data are a little more than `bytes` long as JSON. */
export const largeEvent = (bytes: number): NewEvent => anEvent({ text: 'x'.repeat(bytes) });

export const idsOf = (events: readonly { readonly id: string }[]): string[] => events.map(({ id }) => id);

export async function readWhole(log: EventLog, after = 0n): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for await (const batch of log.readAll(after)) {
    assert.ok(batch.length > 0, 'a batch holds events');
    events.push(...batch);
  }
  return events;
}

/** A subscription that reads as fast as it can. */
export interface Follower {
  readonly events: readonly RecordedEvent[];
  /** Resolves when `count` events have arrived in all; rejects when the subscription ended before. */
  has(count: number): Promise<void>;
  /** Settles when the subscription ends by itself or was stopped. */
  readonly ended: Promise<void>;
  /** Aborts the subscription; rejects when it failed. */
  stop(): Promise<void>;
}

export function follow(log: EventLog, after = 0n): Follower {
  const events: RecordedEvent[] = [];
  const abort = new AbortController();
  let ended = false;
  const read = async () => {
    try {
      for await (const batch of log.subscribe(after, abort.signal)) events.push(...batch);
    } finally {
      ended = true;
    }
  };
  const reading = read();
  // Whoever awaits `has` or `stop` gets the error; until then it is not unhandled.
  reading.catch(() => undefined);
  const has = async (count: number) => {
    await until(`${count} events arrived`, () => events.length >= count || ended, 60_000);
    if (events.length < count) await reading;
    assert.ok(events.length >= count, `the subscription ended after ${events.length} of ${count} events`);
  };
  const stop = async () => {
    abort.abort();
    await reading;
  };
  return { events, has, ended: reading, stop };
}

/** Asserts what holds of every log that is read from its start: one order, and streams without gaps. */
export function assertOneHistory(events: readonly RecordedEvent[]): void {
  const revisions = new Map<string, bigint>();
  const ids = new Set<string>();
  let last: RecordedEvent | undefined;
  for (const event of events) {
    const revision = revisions.get(event.stream) ?? 0n;
    assert.equal(event.revision, revision, `the revision in ${event.stream} at position ${event.position}`);
    revisions.set(event.stream, revision + 1n);
    assert.ok(event.recordedAt instanceof Date && !Number.isNaN(event.recordedAt.getTime()));
    assert.ok(event.position > (last?.position ?? 0n), 'positions strictly increase');
    assert.ok(event.recordedAt >= (last?.recordedAt ?? event.recordedAt), 'recordedAt never decreases');
    assert.ok(!ids.has(event.id), `the event ${event.id} is there once`);
    ids.add(event.id);
    last = event;
  }
}

/** `value` with all keys in one order, and `__proto__` as a key like any other. */
export function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, canonical(item)] as const);
  return { entries: entries.sort(([a], [b]) => (a < b ? -1 : 1)) };
}

/** Asserts that `recorded` is what was appended to `stream` from `firstRevision` on. */
export function assertRecorded(
  recorded: readonly RecordedEvent[],
  stream: string,
  appended: readonly NewEvent[],
  firstRevision = 0n,
): void {
  assert.deepEqual(
    recorded.map(({ position: _, recordedAt: __, data, ...event }) => ({ ...event, data: canonical(data) })),
    appended.map(({ data, ...event }, index) => ({
      ...event,
      stream,
      revision: firstRevision + BigInt(index),
      data: canonical(data),
    })),
  );
}
