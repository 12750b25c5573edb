import { randomBytes } from 'node:crypto';
import { open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
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

/**
 * Takes the exclusive hold `name` of the directory `path`, which must exist.
 *
 * Each contender puts a file of its own, under a name that is never used again, and then looks for the files of
 * others; whoever sees a living one withdraws. Of two that come at once at least one sees the other, so there are
 * never two holders, and since a stale file's name never comes back, anyone may delete it at any time: there is no
 * moment in which a slow contender can delete the hold of a new one.
 * @throws DataDirectoryHeld
 */
export async function takeHold(path: string, name: string, options: HoldOptions): Promise<Hold> {
  const heartbeatMs = options.heartbeatMs ?? 5_000;
  const holder: Holder = {
    pid: process.pid,
    startTime: processStartTime(process.pid),
    host: hostname(),
    bootId: bootId(),
    pidNamespace: pidNamespace(),
    since: new Date().toISOString(),
    description: options.description,
  };
  for (let attempt = 1; ; attempt++) {
    const own = `${name}.${process.pid}-${randomBytes(6).toString('hex')}`;
    await publish(path, own, holder);
    try {
      const rival = await findRival(path, name, own, holder, heartbeatMs);
      if (rival === undefined) return startHeartbeat(path, own, heartbeatMs, options.onLost);
      // A rival that is this young may be a contender that withdraws as well: try again, out of step with it.
      const ageMs = Date.now() - Date.parse(rival.since);
      if (attempt === 12 || !(ageMs < 5_000)) throw new DataDirectoryHeld(path, rival);
    } catch (error) {
      await rm(join(path, own), { force: true });
      throw error;
    }
    await rm(join(path, own), { force: true });
    await delay(Math.random() * 30 * attempt);
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

/** A living hold or contender other than `own`; the files of dead ones are deleted on the way. */
async function findRival(
  path: string,
  name: string,
  own: string,
  self: Holder,
  heartbeatMs: number,
): Promise<Holder | undefined> {
  for (const entry of await readdir(path)) {
    if (entry === own || entry === `.${own}`) continue;
    if (entry.startsWith(`.${name}.`)) await sweepDraft(join(path, entry));
    if (!entry.startsWith(`${name}.`)) continue;
    const file = join(path, entry);
    const rival = await readHolder(file);
    if (rival === undefined) continue;
    if (await isAlive(file, rival, self, heartbeatMs)) return rival;
    await rm(file, { force: true });
  }
  return undefined;
}

/** A draft lives for milliseconds; an old one is from a process that died in between. */
async function sweepDraft(file: string): Promise<void> {
  const modified = await modifiedAt(file);
  if (modified !== undefined && Date.now() - modified > 3_600_000) await rm(file, { force: true });
}

async function readHolder(file: string): Promise<Holder | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as Holder;
  } catch {
    // Not ours to judge by content, so it is judged by its heartbeat alone.
    return { pid: 0, host: 'unknown', since: 'unknown', description: file };
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
