import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { commandLine, isRunning } from '../data-directory/process.ts';
import { type PostgresBinaries, PostgresUnusable, run } from './postgres-binaries.ts';

/** What PostgreSQL puts into the process titles of this cluster (`cluster_name`). */
export const clusterName = (cluster: string): string =>
  `shiplog-${createHash('sha256').update(cluster).digest('hex').slice(0, 12)}`;

/**
 * Ends whatever still runs on `cluster` after its supervisor died, and removes what would keep a new PostgreSQL from
 * starting. The caller has the hold on the directory, so whatever runs there is nobody's.
 */
export async function endOrphans(
  cluster: string,
  socketDirectory: string | undefined,
  binaries: PostgresBinaries,
  log: (message: string) => void,
): Promise<void> {
  const pidFile = join(cluster, 'postmaster.pid');
  const pid = await recordedPid(pidFile);
  if (pid !== undefined && (await isPostmasterOf(pid, cluster))) {
    log(`a PostgreSQL that was left behind (process ${pid}) still runs on ${cluster}; stopping it`);
    await endPostmaster(pid, cluster, binaries);
  }
  await endServerProcesses(clusterName(cluster));
  // PostgreSQL takes a pid that another program got meanwhile for a running server, and refuses to start.
  await rm(pidFile, { force: true });
  if (socketDirectory === undefined) return;
  for (const entry of await readdir(socketDirectory)) {
    if (entry.startsWith('.s.PGSQL.')) await rm(join(socketDirectory, entry), { force: true });
  }
}

async function recordedPid(pidFile: string): Promise<number | undefined> {
  try {
    const pid = Number((await readFile(pidFile, 'utf8')).split('\n')[0]);
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function isPostmasterOf(pid: number, cluster: string): Promise<boolean> {
  if (!isRunning(pid)) return false;
  if (process.platform === 'win32') {
    const { stdout } = await run('tasklist', ['/FI', `PID eq ${pid}`, '/FO', 'CSV', '/NH']);
    return stdout.toLowerCase().includes('postgres.exe');
  }
  const line = commandLine(pid) ?? '';
  if (process.platform !== 'linux') return line.includes(`-D ${cluster} `);
  const [program, ...args] = line.split('\0');
  const directory = args[args.indexOf('-D') + 1];
  if (program === undefined || basename(program) !== 'postgres' || directory === undefined) return false;
  return isSameFolder(directory, cluster);
}

async function isSameFolder(one: string, other: string): Promise<boolean> {
  if (one === other) return true;
  try {
    const [a, b] = [await stat(one), await stat(other)];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    // A folder that is not there is not the one that is.
    return false;
  }
}

async function endPostmaster(pid: number, cluster: string, binaries: PostgresBinaries): Promise<void> {
  if (process.platform === 'win32') {
    await run(binaries.pgCtl, ['stop', '-D', cluster, '-m', 'fast', '-w', '-t', '60']);
    return;
  }
  const steps = [
    ['SIGINT', 60_000],
    ['SIGQUIT', 15_000],
    ['SIGKILL', 10_000],
  ] as const;
  for (const [signal, boundMs] of steps) {
    const until = performance.now() + boundMs;
    while (performance.now() < until) {
      // Repeated, since one that comes before PostgreSQL listens to signals is lost.
      if (!send(pid, signal)) return;
      for (let i = 0; i < 40; i++) {
        if (!(await isPostmasterOf(pid, cluster))) return;
        await delay(25);
      }
    }
  }
  throw new PostgresUnusable(
    `process ${pid}, a PostgreSQL on ${cluster}, cannot be stopped; stop it by hand`,
  );
}

/** The processes of a server whose postmaster was killed end by themselves, unless they are busy or stopped. */
async function endServerProcesses(name: string): Promise<void> {
  if (process.platform !== 'linux') return;
  for (let attempt = 0; attempt < 200; attempt++) {
    const pids = await serverProcesses(name);
    if (pids.length === 0) return;
    if (attempt >= 40) for (const pid of pids) send(pid, 'SIGKILL');
    await delay(50);
  }
}

/** The pids of all server processes (not the postmaster) with this `cluster_name`. Linux only. */
export async function serverProcesses(name: string): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  return pids.filter((pid) => commandLine(pid)?.startsWith(`postgres: ${name}: `) && isRunning(pid));
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw new PostgresUnusable(
      `process ${pid} is a PostgreSQL that was left behind, and may not be stopped: ${(error as Error).message}`,
      { cause: error },
    );
  }
}
