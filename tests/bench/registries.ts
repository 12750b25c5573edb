import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../free-port.ts';
import { startServer } from '../server.ts';
import { findTool } from '../tool.ts';
import { until } from '../until.ts';
import type { Scope } from './bench.ts';

/** A registry in a process of its own, with its data in a temporary folder. */
export interface Registry {
  readonly port: number;
  /** Of the process that answers; what it started is below it. */
  readonly pid: number;
  /** Headers that every request carries. */
  readonly headers: Readonly<Record<string, string>>;
  /** Those of who pulls: with a token, where the registry gives tokens. */
  pullHeaders(repository: string): Promise<Readonly<Record<string, string>>>;
}

const service = 'harbor-registry';

export async function startShiplog(scope: Scope): Promise<Registry> {
  const server = await startServer(scope, { environment: { SHIPLOG_LOG_LEVEL: 'info' } });
  const credentials = Buffer.from(`admin:${server.password}`).toString('base64');
  async function pullHeaders(repository: string) {
    const scope = `repository:${repository}:pull`;
    const answer = await server.fetch(`/service/token?${new URLSearchParams({ service, scope })}`);
    const { token } = (await answer.json()) as { token: string };
    return { authorization: `Bearer ${token}` };
  }
  return {
    port: Number(new URL(server.url).port),
    pid: server.pid(),
    headers: { authorization: `Basic ${credentials}` },
    pullHeaders,
  };
}

/**
 * distribution v3's `registry`, or where that is not installed Debian's `docker-registry` (v2), which is what
 * SHIPLOG_BENCH_PEER=docker-registry asks for too. Either records nothing and asks nobody who they are.
 */
export async function startPeer(scope: Scope): Promise<Registry | undefined> {
  const { SHIPLOG_BENCH_PEER: asked } = process.env;
  const program =
    asked === undefined ? (findTool('registry') ?? findTool('docker-registry')) : findTool(asked);
  if (program === undefined) return undefined;
  const directory = await mkdtemp(join(tmpdir(), 'shiplog-bench-'));
  scope.after(() => rm(directory, { recursive: true, force: true }));
  const port = await freePort();
  const file = join(directory, 'config.yml');
  const settings = [
    'version: 0.1',
    'log: { level: error, accesslog: { disabled: true } }',
    `storage: { cache: { blobdescriptor: inmemory }, filesystem: { rootdirectory: ${directory}/data } }`,
    `http: { addr: "127.0.0.1:${port}" }`,
  ];
  await writeFile(file, `${settings.join('\n')}\n`);
  const child = spawn(program, ['serve', file], { stdio: 'ignore' });
  scope.after(async () => {
    if (child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill();
    await ended;
  });
  await until('the peer answers', async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
    return fetch(`http://127.0.0.1:${port}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return { port, pid: child.pid ?? 0, headers: {}, pullHeaders: async () => ({}) };
}

/**
 * Does the same to Shiplog and to the peer, one after the other, so that neither takes the other's processor.
 * The second is undefined where there is no peer.
 */
export async function onEach<Result>(
  work: (registry: Registry) => Promise<Result>,
): Promise<[ours: Result, peer: Result | undefined]> {
  const ours = await inScope(async (scope) => work(await startShiplog(scope)));
  const peer = await inScope(async (scope) => {
    const registry = await startPeer(scope);
    return registry && work(registry);
  });
  return [ours, peer];
}

async function inScope<Result>(work: (scope: Scope) => Promise<Result>): Promise<Result> {
  await using open = new AsyncDisposableStack();
  return await work({ after: (stop) => open.defer(async () => void (await stop())) });
}
