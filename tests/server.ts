import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { until } from './until.ts';

const program = new URL('../bin/shiplog.ts', import.meta.url).pathname;

/** A line of the server's log. */
export interface LogLine {
  readonly level: string;
  readonly msg?: string;
  readonly [field: string]: unknown;
}

/** A real server in a process of its own, with its data in a temporary folder. */
export interface TestServer {
  /** `http://127.0.0.1:<port>`; stays the same over restarts. */
  readonly url: string;
  /** `127.0.0.1:<port>`, as clients write it before a repository's name. */
  readonly registry: string;
  readonly dataDirectory: string;
  readonly password: string;
  /** What it encrypts with. */
  secretKey(): Promise<string>;
  /** What it has logged or otherwise written so far, over all restarts. */
  readonly lines: readonly LogLine[];
  pid(): number;
  /** `fetch` on a path of the server as the administrator; `authorization: ''` in the headers for anonymous. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Sends the signal and resolves to the exit code when the process has ended; null after a signal that killed it. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** Starts it again on the same data and port; resolves when it is ready. */
  start(): Promise<void>;
  /** Runs `shiplog <args>` on the same data. */
  run(...args: string[]): Promise<{ readonly code: number | null; readonly output: string }>;
}

/** A test, or a whole file: what `after` is given runs at its end. */
export interface Scope {
  after(work: () => Promise<void>): void;
}

export interface TestServerOptions {
  /** Configuration beyond the data directory and a free port. */
  readonly environment?: NodeJS.ProcessEnv;
  /** An existing data directory; it is left in place. */
  readonly dataDirectory?: string;
}

/**
 * Starts a server and resolves when it is ready; it is stopped and its folder removed after the test, or after all
 * tests of a file for `startServer({ after })` on the file's top level.
 */
export async function startServer(t: Scope, options: TestServerOptions = {}): Promise<TestServer> {
  const dataDirectory = options.dataDirectory ?? (await mkdtemp(join(tmpdir(), 'shiplog-server-')));
  const lines: LogLine[] = [];
  const environment = { ...environmentFor(dataDirectory), ...options.environment };
  let port = 0;
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const started = spawn(process.execPath, [program, 'serve'], {
      env: { ...environment, ...(port !== 0 && { SHIPLOG_HTTP_PORT: String(port) }) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    const heard = lines.length;
    for (const input of [started.stdout, started.stderr])
      createInterface({ input }).on('line', (line) => lines.push(readLine(line)));
    const ready = () => lines.slice(heard).find(({ msg }) => msg?.startsWith('ready at '));
    const ended = () => started.exitCode !== null || started.signalCode !== null;
    await until('the server is ready', () => ready() !== undefined || ended(), 60_000);
    const line = ready();
    if (line === undefined)
      throw new Error(`the server ended: ${JSON.stringify(lines.slice(heard), null, 1)}`);
    port = Number(new URL(line.msg?.slice('ready at '.length) ?? '').port);
  }

  async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null;
    const ended = once(child, 'exit');
    child.kill(signal);
    const [code] = await ended;
    return code;
  }

  t.after(async () => {
    await stop();
    if (options.dataDirectory === undefined) await rm(dataDirectory, { recursive: true, force: true });
  });
  await start();
  const password =
    options.environment?.SHIPLOG_HARBOR_ADMIN_PASSWORD ??
    (await readFile(join(dataDirectory, 'admin-password'), 'utf8')).trim();
  const authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`;

  return {
    url: `http://127.0.0.1:${port}`,
    registry: `127.0.0.1:${port}`,
    dataDirectory,
    password,
    lines,
    secretKey: async () =>
      options.environment?.SHIPLOG_SECRET_KEY ??
      (await readFile(join(dataDirectory, 'secret-key'), 'utf8')).trim(),
    pid: () => child?.pid ?? 0,
    fetch(path, init = {}) {
      const headers = new Headers(init.headers);
      if (headers.get('authorization') === '') headers.delete('authorization');
      else if (!headers.has('authorization')) headers.set('authorization', authorization);
      return fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual', ...init, headers });
    },
    stop,
    start,
    run: (...args) => runShiplog(args, environment),
  };
}

/** Runs `shiplog <args>` to its end; `output` is what it wrote to both of its outputs. */
export async function runShiplog(args: readonly string[], environment: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, [program, ...args], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [code] = await once(child, 'close');
  return { code: code as number | null, output };
}

/** The environment of the tests without settings of Shiplog that the shell may have. */
export function environmentFor(dataDirectory: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SHIPLOG_'));
  return { ...Object.fromEntries(inherited), SHIPLOG_DATA: dataDirectory, SHIPLOG_HTTP_PORT: '0' };
}

function readLine(line: string): LogLine {
  try {
    return JSON.parse(line);
  } catch {
    return { level: 'unknown', msg: line };
  }
}
