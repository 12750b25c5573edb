/**
 * The items of `source`, of which the next is already asked for while the consumer works on one. Who leaves the loop
 * early does not wait for it; a source that never ends by itself must be aborted then.
 */
export async function* readAhead<Item>(source: AsyncIterable<Item>): AsyncGenerator<Item> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      next = iterator.next();
      // Only who comes for it hears that it failed.
      next.catch(() => undefined);
      yield value;
    }
  } finally {
    iterator.return?.().catch(() => undefined);
  }
}
