import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './until.ts';

export interface NatsServer {
  readonly port: number;
  readonly version: string;
  /** Stops it with SIGKILL and starts it on the same files and port. */
  restart(): Promise<void>;
  /** Stops it and removes its files. */
  stop(): Promise<void>;
}

/** A server with JetStream on a free port of 127.0.0.1. `maxPayload` is 8MB, which the log asks for, by default. */
export async function startNatsServer(program: string, maxPayload = '8MB'): Promise<NatsServer> {
  const folder = await mkdtemp(join(tmpdir(), 'shiplog-nats-'));
  const { stdout } = await promisify(execFile)(program, ['--version']);
  const version = /v(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? '0.0.0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  // Before 2.10 the server does not know this setting, and syncs every two minutes.
  const sync = major > 2 || minor >= 10 ? 'sync_interval: always' : '';
  const configure = (port: number | string) =>
    writeFile(
      join(folder, 'nats.conf'),
      `listen: "127.0.0.1:${port}"\nmax_payload: ${maxPayload}\n` +
        `jetstream { store_dir: "${join(folder, 'jetstream')}", max_file_store: 4GB\n${sync} }\n`,
    );
  const start = async () => {
    const child = spawn(program, ['-c', join(folder, 'nats.conf'), '--ports_file_dir', folder], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    // A test run that dies leaves no server behind.
    const killWithUs = () => child.kill('SIGKILL');
    process.once('exit', killWithUs);
    child.once('exit', () => process.off('exit', killWithUs));
    return { child, log: tailOf(child) };
  };

  await configure(-1);
  let { child, log } = await start();
  const port = await portOf(folder, child, log);
  // From now on always the same one.
  await configure(port);

  return {
    port,
    version,
    async restart() {
      await kill(child);
      ({ child, log } = await start());
      await until('the NATS server listens again', () => listens(port, child, log));
    },
    async stop() {
      await kill(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

/** The last lines that the server wrote, for the message of an error. */
function tailOf(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.on('data', (chunk) => {
    tail = (tail + chunk).slice(-2000);
  });
  return () => tail;
}

async function portOf(folder: string, child: ChildProcess, log: () => string): Promise<number> {
  let port = 0;
  await until('the NATS server tells its port', async () => {
    if (child.exitCode !== null) throw new Error(`the NATS server ended: ${log()}`);
    const file = join(folder, `nats-server_${child.pid}.ports`);
    const text = await readFile(file, 'utf8').catch(() => '');
    port = Number(/"nats:\/\/[^"]*:(\d+)"/.exec(text)?.[1] ?? 0);
    return port > 0;
  });
  return port;
}

async function listens(port: number, child: ChildProcess, log: () => string): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`the NATS server ended: ${log()}`);
  const socket = connect(port, '127.0.0.1');
  try {
    // The first line that it says.
    await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => Promise.reject(new Error()))]);
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
