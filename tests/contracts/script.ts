import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

/** A script of this folder in a process of its own, which ends with the test at the latest. */
export interface Script {
  readonly process: ChildProcess;
  /** The next line that it prints; rejects when it ends without one. */
  line(): Promise<string>;
  kill(): Promise<void>;
}

/** Starts `script` with the Node that runs the test; `wrapper` is put in front of the command line. */
export function startScript(
  t: TestContext,
  script: string,
  args: readonly string[],
  wrapper: readonly string[] = [],
): Script {
  const [file = '', ...rest] = [...wrapper, process.execPath, join(import.meta.dirname, script), ...args];
  const child = spawn(file, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  t.after(kill);
  return {
    process: child,
    async line() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${script} ended without another line`);
      return value as string;
    },
    kill,
  };
}
