import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import type { Scope } from './server.ts';
import { until } from './until.ts';

export interface RedisServer {
  /** `127.0.0.1:<port>` */
  readonly address: string;
  readonly password: string;
  /** Stops it with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on the same port and without data. */
  start(): Promise<void>;
  /** It keeps its connections and answers nothing, until it is resumed. */
  freeze(): void;
  resume(): void;
}

/** Runs the program `redis-server` on a free port, in memory alone, until the test ends. */
export async function startRedis(t: Scope, program: string): Promise<RedisServer> {
  const port = await freePort();
  const password = 'shiplog-test-secret';
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    const options = { port, bind: '127.0.0.1', save: '', appendonly: 'no', requirepass: password };
    const started = spawn(
      program,
      Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
      { stdio: 'ignore' },
    );
    server = started;
    await until('Redis answers', async () => {
      if (started.exitCode !== null) throw new Error(`redis-server ended with ${started.exitCode}`);
      const client = new Redis({ port, password, lazyConnect: true, retryStrategy: () => null });
      // Each attempt that fails says so twice; `connect` tells it to us.
      client.on('error', () => undefined);
      const answers = await client.connect().then(
        () => true,
        () => false,
      );
      client.disconnect();
      return answers;
    });
  }

  async function kill(): Promise<void> {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  }

  t.after(kill);
  await start();
  return {
    address: `127.0.0.1:${port}`,
    password,
    kill,
    start,
    freeze: () => void server?.kill('SIGSTOP'),
    resume: () => void server?.kill('SIGCONT'),
  };
}
