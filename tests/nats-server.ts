import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

export interface NatsServer {
  readonly port: number;
  /** Stops it with SIGKILL and starts it on the same files and port. */
  restart(): Promise<void>;
  /** Stops it with SIGKILL until the function that it resolves to is called. */
  away(): Promise<() => Promise<void>>;
  /** Stops it and removes its files. */
  stop(): Promise<void>;
}

export interface NatsServerSettings {
  /** As the server's configuration writes it; 8MB, which the log asks for, by default. */
  readonly maxPayload?: string;
  /** A part of the server's configuration. */
  readonly cluster?: string;
}

/** `2.15.2` and the like, as a number a minor version: 2.15 is 2015. */
export function natsVersion(program: string): { readonly text: string; readonly number: number } {
  const output = execFileSync(program, ['--version'], { encoding: 'utf8' });
  const [, text = '0.0.0', major, minor] = /v((\d+)\.(\d+)\.\d+)/.exec(output) ?? [];
  return { text, number: Number(major) * 1000 + Number(minor) };
}

/** A server with JetStream on a free port of 127.0.0.1. */
export async function startNatsServer(
  program: string,
  { maxPayload = '8MB', cluster = '' }: NatsServerSettings = {},
): Promise<NatsServer> {
  const folder = await mkdtemp(join(tmpdir(), 'shiplog-nats-'));
  const port = await freePort();
  // Before 2.10 the server does not know this setting, and syncs every two minutes.
  const sync = natsVersion(program).number >= 2010 ? 'sync_interval: always' : '';
  await writeFile(
    join(folder, 'nats.conf'),
    `server_name: "node${port}"\nlisten: "127.0.0.1:${port}"\nmax_payload: ${maxPayload}\n` +
      `jetstream { store_dir: "${join(folder, 'jetstream')}", max_file_store: 4GB\n${sync} }\n${cluster}\n`,
  );
  let child = launch(program, folder);
  await listening(port, child);
  const begin = async () => {
    child = launch(program, folder);
    await listening(port, child);
  };
  return {
    port,
    async restart() {
      await kill(child.process);
      await begin();
    },
    async away() {
      await kill(child.process);
      return begin;
    },
    async stop() {
      await kill(child.process);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Launched {
  readonly process: ChildProcess;
  /** The last lines that the server wrote. */
  tail(): string;
}

function launch(program: string, folder: string): Launched {
  const child = spawn(program, ['-c', join(folder, 'nats.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
  // A test run that dies leaves no server behind.
  const killWithUs = () => child.kill('SIGKILL');
  process.once('exit', killWithUs);
  child.once('exit', () => process.off('exit', killWithUs));
  let tail = '';
  child.stderr.on('data', (chunk) => {
    tail = (tail + chunk).slice(-2000);
  });
  return { process: child, tail: () => tail };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

const listening = (port: number, child: Launched): Promise<void> =>
  until('the NATS server listens', async () => {
    if (child.process.exitCode !== null) throw new Error(`the NATS server ended: ${child.tail()}`);
    const socket = connect(port, '127.0.0.1');
    // It speaks first.
    const spoke = once(socket, 'data').then(
      () => true,
      () => false,
    );
    const closed = once(socket, 'close').then(
      () => false,
      () => false,
    );
    const answer = await Promise.race([spoke, closed]);
    socket.destroy();
    return answer;
  });
