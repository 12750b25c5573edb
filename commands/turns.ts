import { setImmediate } from 'node:timers/promises';

/** So long, others wait. */
const turnMs = 10;

/** To be asked after each piece of a long computation: it gives way to all else that waits, when its turn is over. */
export function turns(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < turnMs) return;
    await setImmediate();
    since = performance.now();
  };
}
