import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';

/**
 * When the process `pid` started, in a form that is only good for comparing: two processes that had the same pid one
 * after the other differ in it. Undefined for a process that is gone or a zombie, and where the system does not tell.
 */
export function processStartTime(pid: number): string | undefined {
  if (process.platform === 'linux') {
    const fields = readProc(`${pid}/stat`)
      ?.replace(/^.*\) /s, '')
      .split(' ');
    // proc(5): the state is field 3 and the first behind the name, the start time in clock ticks is field 22.
    return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  }
  if (process.platform === 'win32') return undefined;
  return psColumn(pid, 'lstart');
}

/** Whether `pid` runs; a zombie does not. A process of another user counts. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return process.platform === 'win32' || processStartTime(pid) !== undefined;
}

/** The command line of `pid`, its arguments separated by NUL where the system keeps them apart, else by spaces. */
export function commandLine(pid: number): string | undefined {
  if (process.platform === 'linux') return readProc(`${pid}/cmdline`);
  return process.platform === 'win32' ? undefined : psColumn(pid, 'command');
}

/** Names the running kernel: it changes with every boot. Undefined where the system does not tell. */
export const bootId = (): string | undefined => readProc('sys/kernel/random/boot_id')?.trim();

/** Names the pid namespace: where it differs, the same pid is another process. */
export function pidNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    // Not Linux, or no /proc: there is one namespace then, as far as anyone can see.
    return undefined;
  }
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    // The process is gone, or this is not Linux.
    return undefined;
  }
}

function psColumn(pid: number, column: string): string | undefined {
  try {
    return (
      execFileSync('ps', ['-ww', '-o', `${column}=`, '-p', String(pid)], {
        encoding: 'utf8',
        timeout: 10_000,
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim() || undefined
    );
  } catch {
    // `ps` exits with 1 for a pid that is not there.
    return undefined;
  }
}
