import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'minio';
import type { S3Settings } from '../infra/blob-store/s3.ts';
import { freePort } from './free-port.ts';

export interface MinioServer {
  /** How to reach the bucket that was made at the start. */
  readonly settings: S3Settings;
  /** The folder that holds the server's data. */
  readonly directory: string;
  /** Kills the server at once, and keeps its data. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on the same port. */
  restart(): Promise<void>;
  /** Kills it and removes its data. */
  stop(): Promise<void>;
}

/** Starts the program `minio` on a free port, with a temporary folder and one bucket. */
export async function startMinio(program: string): Promise<MinioServer> {
  const directory = await mkdtemp(join(tmpdir(), 'shiplog-minio-'));
  const port = await freePort();
  const [accessKey, secretKey] = ['shiplog-test', 'shiplog-test-secret'];
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    const started = spawn(
      program,
      ['server', '--quiet', '--address', `127.0.0.1:${port}`, '--console-address', '127.0.0.1:0', directory],
      {
        env: {
          ...process.env,
          MINIO_ROOT_USER: accessKey,
          MINIO_ROOT_PASSWORD: secretKey,
          MINIO_BROWSER: 'off',
          MINIO_UPDATE: 'off',
        },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    server = started;
    let complaint = '';
    started.stderr?.on('data', (text) => {
      complaint = (complaint + text).slice(-2000);
    });
    const deadline = Date.now() + 60_000;
    while (!(await isReady(port))) {
      if (started.exitCode !== null || Date.now() > deadline)
        throw new Error(`minio did not start: ${complaint}`);
      await wait(50);
    }
  }

  async function kill(): Promise<void> {
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  }

  const bucket = 'shiplog';
  const region = 'us-east-1';
  try {
    await start();
    const client = new Client({ endPoint: '127.0.0.1', port, useSSL: false, accessKey, secretKey, region });
    await client.makeBucket(bucket, region);
  } catch (error) {
    await kill();
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  return {
    settings: {
      endpoint: `127.0.0.1:${port}`,
      ...{ region, bucket, accessKey, secretKey },
      secure: false,
      prefix: '',
    },
    directory,
    kill,
    restart: start,
    async stop() {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/minio/health/ready`)).ok;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}
