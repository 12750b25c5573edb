import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { EventLog } from '../../infra/event-log/port.ts';
import type { LogUnderTest } from './event-log.ts';

/**
 * Subscribes from the start in a process of its own, and takes its time over every batch until `events` have
 * arrived. `growthBytes` is the most memory that was held then beyond what the process held before.
 */
export async function runSlowReader(
  { module, argument }: LogUnderTest['writer'],
  events: number,
): Promise<{ readonly read: number; readonly growthBytes: number }> {
  const settings = JSON.stringify({ module, argument, events });
  const program = fileURLToPath(import.meta.url);
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program, settings]);
  return JSON.parse(stdout);
}

/** What cannot be collected: the resident size would count garbage that nobody needed to collect yet. */
function heldBytes(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const settings = JSON.parse(process.argv[2] ?? assert.fail('run by runSlowReader'));
  const { openLog } = await import(settings.module);
  const log: EventLog = await openLog(settings.argument);
  await log.head();
  const before = heldBytes();
  let growthBytes = 0;
  let read = 0;
  for await (const batch of log.subscribe(0n, new AbortController().signal)) {
    read += batch.length;
    // Time in which a reader that does not wait for its consumer would read the rest.
    await setTimeout(read === batch.length ? 500 : 25);
    growthBytes = Math.max(growthBytes, heldBytes() - before);
    if (read >= settings.events) break;
  }
  await log.close();
  process.stdout.write(JSON.stringify({ read, growthBytes }));
}
