import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { EventLog, ExpectedRevision } from '../../infra/event-log/port.ts';
import type { LogUnderTest } from './event-log.ts';
import { idsOf, someEvents } from './event-log-samples.ts';

/** An append that was acknowledged; the position is written in digits. */
export interface Written {
  readonly stream: string;
  readonly ids: readonly string[];
  readonly position: string;
}

/** Opens the log in a process of its own, and in there appends with several writers at once. */
export async function runWriters(
  { module, argument }: LogUnderTest['writer'],
  process_: number,
  writers: number,
  appendsPerWriter: number,
): Promise<Written[]> {
  const settings = JSON.stringify({ module, argument, process: process_, writers, appendsPerWriter });
  const program = fileURLToPath(import.meta.url);
  const { stdout } = await promisify(execFile)(process.execPath, [program, settings], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(stdout);
}

/** Every third append goes to a stream that all writers of all processes share, the others to the writer's own. */
async function write(log: EventLog, writer: string, appends: number): Promise<Written[]> {
  const written: Written[] = [];
  let own: ExpectedRevision = 'none';
  for (let n = 0; n < appends; n++) {
    const events = someEvents(1 + (n % 3));
    const shared = n % 3 === 0;
    const stream = shared ? `tag/shared:${n % 2}` : `tag/${writer}`;
    const position = await log.append(stream, shared ? 'any' : own, events);
    if (!shared) own = (own === 'none' ? -1n : own) + BigInt(events.length);
    written.push({ stream, ids: idsOf(events), position: position.toString() });
  }
  return written;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const settings = JSON.parse(process.argv[2] ?? assert.fail('run by runWriters'));
  const { openLog } = await import(settings.module);
  const log: EventLog = await openLog(settings.argument);
  const written = await Promise.all(
    Array.from({ length: settings.writers }, (_, n) =>
      write(log, `${settings.process}-${n}`, settings.appendsPerWriter),
    ),
  );
  await log.close();
  process.stdout.write(JSON.stringify(written.flat()));
}
