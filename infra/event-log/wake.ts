/**
 * Wakes those who wait for something new. A waiter remembers the count from before it looked, so that what came
 * between the look and the wait is not missed.
 */
export class Wake {
  #count = 0;
  readonly #sleepers = new Set<() => void>();

  /** How often `raise` was called. */
  get count(): number {
    return this.#count;
  }

  raise(): void {
    this.#count += 1;
    for (const wakeUp of [...this.#sleepers]) wakeUp();
  }

  /** Resolves when `raise` was called after the count was `since`, when `timeoutMs` are over, or on abort. */
  wait(since: number, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#count > since || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wakeUp = (): void => {
        clearTimeout(timer);
        this.#sleepers.delete(wakeUp);
        signal?.removeEventListener('abort', wakeUp);
        resolve();
      };
      const timer = setTimeout(wakeUp, timeoutMs);
      this.#sleepers.add(wakeUp);
      signal?.addEventListener('abort', wakeUp, { once: true });
    });
  }
}
