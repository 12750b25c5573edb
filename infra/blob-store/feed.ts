/** The error of a source, which must not be taken for one of the medium's: both may be a reset connection. */
export interface SourceFailure {
  readonly error: unknown;
}

/**
 * Hands the chunks of `source` to `take`, one after the other, and waits for it each time. Resolves to the failure of
 * the source, if it failed; rejects when `take` does, after it has told the source that no more is wanted.
 */
export async function feed(
  source: AsyncIterable<Uint8Array>,
  take: (chunk: Uint8Array) => Promise<void> | void,
): Promise<SourceFailure | undefined> {
  const iterator = source[Symbol.asyncIterator]();
  for (;;) {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await iterator.next();
    } catch (error) {
      return { error };
    }
    if (next.done) return undefined;
    try {
      // Most chunks are only collected, and a promise for each would cost more than that.
      const taken = take(next.value);
      if (taken) await taken;
    } catch (error) {
      await iterator.return?.();
      throw error;
    }
  }
}
