import { randomBytes } from 'node:crypto';
import { appendFile, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { bootId, isRunning, pidNamespace, processStartTime } from './process.ts';

/** Who holds a directory, as it stands in the file of the hold. */
export interface Holder {
  readonly pid: number;
  /** See `processStartTime`. */
  readonly startTime?: string | undefined;
  readonly host: string;
  readonly bootId?: string | undefined;
  readonly pidNamespace?: string | undefined;
  /** ISO 8601. */
  readonly since: string;
  /** Free text for the person who is refused, such as the holder's URL. */
  readonly description: string;
}

export interface Hold {
  /** Ends the hold. Repeating it is no error. */
  release(): Promise<void>;
}

export interface HoldOptions {
  readonly description: string;
  /** Called once when the hold was lost to another process, which can only happen after this one slept for long. */
  readonly onLost?: (error: Error) => void;
  /** How often the hold shows that it is alive; four silent periods make it stale for another machine. */
  readonly heartbeatMs?: number;
}

interface Rival {
  readonly file: string;
  readonly holder: Holder;
  /** Whether it has the hold, or contends for it. */
  readonly held: boolean;
}

/** Another process holds the directory; the message says which. */
export class DataDirectoryHeld extends Error {
  override readonly name = 'DataDirectoryHeld';
  readonly holder: Holder;
  constructor(path: string, holder: Holder) {
    super(
      `${path} is in use by process ${holder.pid} on ${holder.host} since ${holder.since}` +
        `${holder.description === '' ? '' : ` (${holder.description})`}; ` +
        'stop that process first, or choose another directory',
    );
    this.holder = holder;
  }
}

/** The second line in the file of a hold; without it the file is of a contender, who may withdraw. */
const heldMark = 'held\n';
/** How long to contend with others that have not got it either, such as one that was stopped in between. */
const contestMs = 3_000;

/**
 * Takes the exclusive hold `name` of the directory `path`, which must exist.
 *
 * Each contender puts a file of its own, under a name that is never used again, and has the hold when it then sees no
 * file of another living process. Of two that come at once at least one sees the other, so there are never two
 * holders; the names are in the order of time, and all but the first withdraw. Since a stale file's name never comes
 * back, anyone may delete it at any time: there is no moment in which a slow contender deletes the hold of a new one.
 * @throws DataDirectoryHeld
 */
export async function takeHold(path: string, name: string, options: HoldOptions): Promise<Hold> {
  const heartbeatMs = options.heartbeatMs ?? 5_000;
  const contestedUntil = performance.now() + contestMs;
  for (;;) {
    const holder = describeSelf(options.description);
    const own = `${name}.${Date.now()}-${process.pid}-${randomBytes(6).toString('hex')}`;
    await publish(path, own, holder);
    try {
      const first = await awaitTurn(path, name, own, holder, heartbeatMs);
      if (first === undefined) {
        await appendFile(join(path, own), heldMark);
        return startHeartbeat(path, own, heartbeatMs, options.onLost);
      }
      if (first.held || performance.now() > contestedUntil) throw new DataDirectoryHeld(path, first.holder);
    } catch (error) {
      await rm(join(path, own), { force: true });
      throw error;
    }
    await rm(join(path, own), { force: true });
    await delay(20 + Math.random() * 80);
  }
}

function describeSelf(description: string): Holder {
  return {
    pid: process.pid,
    startTime: processStartTime(process.pid),
    host: hostname(),
    bootId: bootId(),
    pidNamespace: pidNamespace(),
    since: new Date().toISOString(),
    description,
  };
}

/** Resolves to undefined when nobody else is there, or to one that came first; those that came later withdraw. */
async function awaitTurn(
  path: string,
  name: string,
  own: string,
  self: Holder,
  heartbeatMs: number,
): Promise<Rival | undefined> {
  const until = performance.now() + contestMs;
  for (;;) {
    const [first] = await findRivals(path, name, own, self, heartbeatMs);
    if (first === undefined) return undefined;
    if (first.held || first.file < own || performance.now() > until) return first;
    await delay(10);
  }
}

/** Puts the whole file at once under its final name, synced, so that nobody ever reads half of one. */
async function publish(path: string, own: string, holder: Holder): Promise<void> {
  const draft = join(path, `.${own}`);
  const file = await open(draft, 'wx', 0o644);
  try {
    await file.writeFile(`${JSON.stringify(holder)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, join(path, own));
}

/** All living holds and contenders but `own`, in the order of their names; the files of dead ones are deleted. */
async function findRivals(
  path: string,
  name: string,
  own: string,
  self: Holder,
  heartbeatMs: number,
): Promise<Rival[]> {
  const rivals: Rival[] = [];
  for (const file of (await readdir(path)).sort()) {
    if (file.startsWith(`.${name}.`)) await sweepDraft(join(path, file));
    if (file === own || !file.startsWith(`${name}.`)) continue;
    const rival = await readRival(path, file);
    if (rival === undefined) continue;
    if (await isAlive(join(path, file), rival.holder, self, heartbeatMs)) rivals.push(rival);
    else await rm(join(path, file), { force: true });
  }
  return rivals;
}

/** A draft lives for milliseconds; an old one is from a process that died in between. */
async function sweepDraft(file: string): Promise<void> {
  const modified = await modifiedAt(file);
  if (modified !== undefined && Date.now() - modified > 3_600_000) await rm(file, { force: true });
}

async function readRival(path: string, file: string): Promise<Rival | undefined> {
  let text: string;
  try {
    text = await readFile(join(path, file), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const [holder = ''] = text.split('\n', 1);
  try {
    return { file, held: text.endsWith(`\n${heldMark}`), holder: JSON.parse(holder) as Holder };
  } catch {
    // Not to be judged by its content, so it is judged by its heartbeat alone.
    const unknown = { pid: 0, host: 'unknown', since: 'unknown', description: `see ${file}` };
    return { file, held: true, holder: unknown };
  }
}

async function isAlive(file: string, rival: Holder, self: Holder, heartbeatMs: number): Promise<boolean> {
  const sameView =
    rival.host === self.host && rival.bootId === self.bootId && rival.pidNamespace === self.pidNamespace;
  if (sameView) {
    if (!isRunning(rival.pid)) return false;
    if (rival.startTime !== undefined) return processStartTime(rival.pid) === rival.startTime;
  }
  // After a reboot no process of before is there any more. Inside a container the host's name proves nothing: a pod
  // keeps it when it moves to another machine, while the old one may still run.
  const rebooted = rival.host === self.host && rival.bootId !== self.bootId;
  if (rebooted && rival.pidNamespace === self.pidNamespace && isInitialNamespace(self)) return false;
  return hasHeartbeat(file, heartbeatMs);
}

/** The inode number of the machine's own pid namespace is fixed in the kernel (PROC_PID_INIT_INO). */
const isInitialNamespace = (self: Holder): boolean => self.pidNamespace === 'pid:[4026531836]';

/**
 * Whether the file is touched. A file that was touched lately is watched for a change rather than compared with the
 * clock, which may differ between two machines.
 */
async function hasHeartbeat(file: string, heartbeatMs: number): Promise<boolean> {
  const first = await modifiedAt(file);
  if (first === undefined) return false;
  if (Date.now() - first > 4 * heartbeatMs) return false;
  const until = performance.now() + 4 * heartbeatMs;
  while (performance.now() < until) {
    await delay(heartbeatMs / 10);
    const now = await modifiedAt(file);
    if (now === undefined) return false;
    if (now !== first) return true;
  }
  return false;
}

async function modifiedAt(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function startHeartbeat(path: string, own: string, heartbeatMs: number, onLost: HoldOptions['onLost']): Hold {
  const file = join(path, own);
  const timer = setInterval(async () => {
    try {
      const now = new Date();
      await utimes(file, now, now);
    } catch (error) {
      // Any other failure (a full or stuck disk) says nothing about the hold; the next beat tries again.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || released) return;
      clearInterval(timer);
      onLost?.(new Error(`the hold on ${path} is lost: ${own} was deleted`, { cause: error }));
    }
  }, heartbeatMs);
  timer.unref();
  let released = false;
  return {
    async release() {
      released = true;
      clearInterval(timer);
      await rm(file, { force: true });
    },
  };
}
