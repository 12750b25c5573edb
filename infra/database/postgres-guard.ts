import { type ChildProcess, spawn } from 'node:child_process';
import type { PostgresAccount } from './postgres-account.ts';

/** A program of PostgreSQL that does not outlive this process, however that ends. */
export interface GuardedProcess {
  /** Resolves with the exit code, 128 + signal for a signal, or 127 where it could not be started. */
  readonly exited: Promise<number>;
  /** The pid of the program itself. */
  readonly pid: Promise<number | undefined>;
  /** Passes a signal on to the program; nothing happens when it is gone. */
  signal(signal: 'INT' | 'QUIT' | 'KILL'): void;
  /** The last that it wrote to its standard output and error. */
  output(): string;
}

/**
 * The guard's standard input is a pipe that only this process holds: each line is a signal to pass on, and its end,
 * which also kill -9 of this process brings about, stops the program. It ignores the signals of a terminal and of a
 * service manager, since this process decides when PostgreSQL stops, and PIPE, since its other pipes may be gone.
 *
 * A first SIGINT may come before the program listens to it, so it is repeated, which PostgreSQL takes for one fast
 * shutdown; after 90 s it becomes SIGQUIT, an immediate one.
 */
const guard = `
trap '' HUP INT TERM PIPE
orphaned=$1
shift
exec 3<&0
"$@" </dev/null 3<&- 4>&- &
pid=$!
echo "$pid" >&4
exec 4>&-
(
  while read -r signal; do kill -s "$signal" "$pid"; done
  if [ "$orphaned" = kill ]; then kill -s KILL 0; fi
  n=0
  while kill -s "$(if [ $n -lt 90 ]; then echo INT; else echo QUIT; fi)" "$pid"; do
    n=$((n + 1))
    sleep 1
  done
) <&3 >/dev/null 2>&1 &
reader=$!
exec 3<&-
wait "$pid"
code=$?
kill -s KILL "$reader"
wait "$reader"
exit "$code"
`;

/**
 * Starts `file`. When this process dies, `stop` gives it a fast shutdown; `kill` kills it and all that it started, for
 * a program whose work is worth nothing unless it is finished.
 */
export function guarded(
  account: PostgresAccount,
  file: string,
  args: readonly string[],
  orphaned: 'stop' | 'kill',
): GuardedProcess {
  const windows = process.platform === 'win32';
  const command = windows
    ? account.command(file, args)
    : account.command('/bin/sh', ['-c', guard, 'shiplog-postgres-guard', orphaned, file, ...args]);
  const child = spawn(command.file, command.args, {
    ...command.options,
    // The working directory may be one that the account cannot enter.
    cwd: windows ? undefined : '/',
    // In a session of its own, out of reach of the terminal's Ctrl-C.
    detached: !windows,
    windowsHide: true,
    stdio: ['pipe', 'pipe', 'pipe', 'ignore', 'pipe'],
    env: environment(),
  });
  const tail = lastOutput(child);
  // The pipe breaks when the guard dies, which `exited` reports.
  child.stdin?.on('error', () => undefined);
  return {
    exited: new Promise((resolve) => {
      child.once('error', (error) => {
        tail.add(error.message);
        resolve(127);
      });
      child.once('exit', (code) => resolve(code ?? 137));
    }),
    pid: windows ? Promise.resolve(child.pid) : readPid(child),
    signal(signal) {
      if (windows) child.kill();
      else child.stdin?.write(`${signal}\n`);
    },
    output: tail.text,
  };
}

/** Only what a program needs to run: Shiplog's environment holds secrets, and PGDATA and its like would mislead. */
function environment(): NodeJS.ProcessEnv {
  const needed = ['PATH', 'LD_LIBRARY_PATH', 'TMPDIR', 'TMP', 'TEMP', 'SystemRoot'];
  const kept = Object.entries(process.env).filter(([name]) => needed.includes(name));
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}

function lastOutput(child: ChildProcess) {
  let text = '';
  const add = (chunk: string) => {
    text = (text + chunk).slice(-8_192);
  };
  child.stdout?.setEncoding('utf8').on('data', add);
  child.stderr?.setEncoding('utf8').on('data', add);
  return { add, text: () => text };
}

async function readPid(child: ChildProcess): Promise<number | undefined> {
  const pipe = child.stdio[4] as import('node:stream').Readable;
  let text = '';
  try {
    for await (const chunk of pipe) text += chunk;
  } catch {
    // The guard died; `exited` reports it.
  }
  return Number(text) || undefined;
}
