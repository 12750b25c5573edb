import { setTimeout } from 'node:timers/promises';

/** Resolves when `condition` holds; it is asked every few milliseconds, and rejects with `what` after `withinMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms in vain until ${what}`);
    await setTimeout(10);
  }
}
