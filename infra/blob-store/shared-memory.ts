/** Memory that all who are at work share, in parts that shrink while they are many. */
export interface SharedMemory {
  /** Bytes that each of them may hold now. */
  part(): number;
  /** Counts one more at work until the function that it answers with is called, once. */
  join(): () => void;
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
