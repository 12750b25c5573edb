/** How often each of many keys may do something. */
export interface RateLimit {
  /**
   * Takes one from what `key` may do now. Resolves to undefined when it may, and else to the milliseconds until it may
   * again. Never rejects: who counts is no reason to turn anybody away.
   */
  take(key: string): Promise<number | undefined>;
}

/** `count` times within each window of `seconds`, which begins with a key's first time. */
export interface Rate {
  readonly count: number;
  readonly seconds: number;
}

/** `perSecond` on the average, and up to about `burst` at once; undefined for no limit. Without a burst ten seconds' worth. */
export function rateOf(perSecond: number, burst: number): Rate | undefined {
  if (perSecond === 0) return undefined;
  const seconds = burst === 0 ? 10 : Math.max(1, Math.ceil(burst / perSecond));
  return { count: perSecond * seconds, seconds };
}
