import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** The memory of a store's transfers: how much each may hold, and when what they have let go is freed. */
export interface TransferMemory {
  /** For what is written at once; an upload holds two. */
  readonly writes: SharedMemory;
  /** For what is read at once; a pull holds two. */
  readonly reads: SharedMemory;
  /** Tells that so many bytes more were in buffers which will soon be let go. */
  passed(bytes: number): void;
}

/** Memory that all who are at work share, in parts that shrink while they are many. */
export interface SharedMemory {
  /** Bytes that each of them may hold now. */
  part(): number;
  /** Counts one more at work until the function that it answers with is called, once. */
  join(): () => void;
}

const KiB = 1024;
const MiB = 1024 * KiB;

/**
 * V8 frees buffers when it collects garbage, and it begins a full collection at 64 MiB of them, which costs more than
 * all else that a transfer takes. Those of a transfer are young, so a collection of the young finds them, for a
 * hundredth of that.
 */
const collectEvery = 8 * MiB;

export function transferMemory(): TransferMemory {
  const collectYoung = youngCollector();
  let uncollected = 0;
  return {
    // At most 1 MiB and 512 KiB keep the disk busy; what one chunk of a socket holds is the least.
    writes: sharedMemory(32 * MiB, 64 * KiB, MiB),
    reads: sharedMemory(16 * MiB, 64 * KiB, 512 * KiB),
    passed(bytes) {
      uncollected += bytes;
      if (uncollected < collectEvery) return;
      uncollected = 0;
      collectYoung();
    },
  };
}

/** Parts of `bytes` in all, but no larger than `most`, and no smaller than `least`, below which work would crawl. */
export function sharedMemory(bytes: number, least: number, most: number): SharedMemory {
  let members = 0;
  return {
    part: () => Math.max(least, Math.min(most, Math.floor(bytes / Math.max(1, members)))),
    join() {
      members += 1;
      return () => {
        members -= 1;
      };
    },
  };
}

/** Node has no API for it; a V8 that does not give its collector away collects by itself. */
function youngCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('globalThis.gc');
  return typeof collect === 'function' ? () => collect({ type: 'minor' }) : () => undefined;
}
