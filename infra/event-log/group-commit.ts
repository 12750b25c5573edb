import { writeEvents } from './append-size.ts';
import type { Append } from './port.ts';

/** An event of a batch, under the names that `event_log.append_batch` reads. */
interface Entry {
  readonly s: string;
  /** -1 for a stream without events, null for any. */
  readonly x: string | null;
  readonly i: string;
  readonly t: string;
  readonly v: number;
  readonly d: string;
  readonly m: string;
}

/** One caller's appends, all or nothing, waiting to be committed together with those of others. */
export interface Group {
  readonly appends: readonly Append[];
  readonly entries: readonly Entry[];
  readonly bytes: number;
  resolve(position: bigint): void;
  reject(error: unknown): void;
}

const maxBatchEvents = 2000;
const maxBatchBytes = 8 * 1024 * 1024;

/** @throws AppendTooLarge */
export function groupOf(appends: readonly Append[], settle: Pick<Group, 'resolve' | 'reject'>): Group {
  let bytes = 0;
  const entries = appends.flatMap((append) => {
    const { written, bytes: size } = writeEvents(append);
    bytes += size;
    const expected = { none: '-1', any: null };
    const { stream: s, expectedRevision } = append;
    const x = typeof expectedRevision === 'bigint' ? String(expectedRevision) : expected[expectedRevision];
    return written.map(({ id, type, version, data, metadata }) => ({
      s,
      x,
      i: id,
      t: type,
      v: version,
      d: data,
      m: metadata,
    }));
  });
  return { appends, entries, bytes, ...settle };
}

/** The batch as `event_log.append_batch` takes it; `g` is the group's index. */
export const batchOf = (groups: readonly Group[]): string =>
  JSON.stringify(groups.flatMap(({ entries }, g) => entries.map((entry) => ({ g, ...entry }))));

/**
 * Takes from the front of `waiting` the groups that can share one transaction, and leaves the others in their order.
 *
 * What a batch decides is decided on the heads before it, so a stream may stand in two groups of a batch only
 * when none of them expects anything of it, and an event id only once: a repeat must find the first one stored.
 */
export function takeBatch(waiting: Group[]): Group[] {
  const batch: Group[] = [];
  const left: Group[] = [];
  const checked = new Set<string>();
  const touched = new Set<string>();
  const ids = new Set<string>();
  let events = 0;
  let bytes = 0;
  let full = false;
  for (const group of waiting) {
    full ||=
      batch.length > 0 &&
      (events + group.entries.length > maxBatchEvents || bytes + group.bytes > maxBatchBytes);
    if (!full && group.entries.every(fits)) {
      batch.push(group);
      events += group.entries.length;
      bytes += group.bytes;
    } else {
      left.push(group);
    }
    // A group that waits keeps its streams from later groups, so that nobody overtakes it for ever.
    for (const { s, x, i } of group.entries) {
      touched.add(s);
      if (x !== null) checked.add(s);
      ids.add(i);
    }
  }
  waiting.splice(0, waiting.length, ...left);
  return batch;

  function fits({ s, x, i }: Entry): boolean {
    return !(x === null ? checked : touched).has(s) && !ids.has(i);
  }
}
