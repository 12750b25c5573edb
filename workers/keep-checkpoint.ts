/** Between two writes of a position that is not needed, but saves reading; milliseconds. */
const everyMs = 1000;

export interface KeptCheckpoint {
  /** Writes it soon; of those that come meanwhile, only the last. */
  note(position: bigint): void;
  /** Resolves when the last one noted is written, or could not be. */
  flush(): Promise<void>;
}

/**
 * Writes positions now and then, where what is lost of them is only done again. One that cannot be written is made up for by
 * the next.
 */
export function keepCheckpoint(
  write: (position: bigint) => Promise<void>,
  onFailure: (error: unknown) => void,
): KeptCheckpoint {
  let noted: bigint | undefined;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const position = noted;
    noted = undefined;
    if (position !== undefined) writing = writing.then(() => write(position)).catch(onFailure);
    return writing;
  }

  return {
    note(position) {
      noted = position;
      timer ??= setTimeout(flush, everyMs).unref();
    },
    flush,
  };
}
