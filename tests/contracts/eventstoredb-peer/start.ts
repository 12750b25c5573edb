import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../eventstoredb-peer.ts', import.meta.url));

export interface Peer {
  readonly port: number;
  /** Kills the peer with SIGKILL and starts it on the same folder and port. */
  restart(): Promise<void>;
  /** Stops the peer with SIGSTOP: its connections stay, and nothing answers until the function that it gives is called. */
  stall(): () => void;
}

/** A peer in a temporary folder on a free port, until the test is over. */
export async function startPeer(t: TestContext, maxAppendBytes?: number): Promise<Peer> {
  const folder = await mkdtemp(join(tmpdir(), 'shiplog-eventstoredb-'));
  const limit = maxAppendBytes === undefined ? [] : [String(maxAppendBytes)];
  const start = async (port: number): Promise<{ child: ChildProcess; port: number }> => {
    const child = spawn(process.execPath, [program, folder, String(port), ...limit], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`the peer ended before it was ready: ${code ?? signal}`);
    });
    const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), ended]);
    ended.catch(() => undefined);
    return { child, port: Number(line) };
  };
  const kill = async (child: ChildProcess) => {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };

  let { child, port } = await start(0);
  t.after(async () => {
    await kill(child);
    await rm(folder, { recursive: true, force: true });
  });
  return {
    port,
    async restart() {
      await kill(child);
      ({ child } = await start(port));
    },
    stall() {
      child.kill('SIGSTOP');
      return () => child.kill('SIGCONT');
    },
  };
}
