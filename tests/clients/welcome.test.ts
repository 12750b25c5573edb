import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { environmentFor } from '../server.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';
import { startContainerTools } from './container-tools.ts';

const execute = promisify(execFile);
const program = new URL('../../bin/shiplog.ts', import.meta.url).pathname;

test('the commands of the welcome push a first image as they are printed, also a second time', async (t) => {
  const tools = await startContainerTools(t, ['podman']);
  if (tools === undefined) return;
  const { directory, environment } = tools;
  const welcome = await readWelcome(t, environment.PATH);
  if (welcome === undefined) return;
  const { url, commands } = welcome;
  assert.equal(commands.length, 5, commands.join('\n'));

  const working = join(directory, 'working');
  await mkdir(working);
  for (const time of ['first', 'second']) {
    await execute('bash', ['-ec', commands.join('\n')], { env: environment, cwd: working, timeout: 120_000 });
    const answer = await fetch(`${url}/v2/library/hello/manifests/1.0`);
    assert.equal(answer.status, 200, `after the ${time} time`);
  }

  const registry = new URL(url).host;
  await tools.run('podman', 'rmi', '--all', '--force');
  await tools.run('podman', 'logout', registry);
  const pulled = await tools.run('podman', 'pull', '--tls-verify=false', `${registry}/library/hello:1.0`);
  assert.notEqual(pulled.trim(), '');
});

/** Starts a server at a terminal, where it welcomes; undefined, and the test skipped, where there is no `script`. */
async function readWelcome(t: TestContext, path: string | undefined) {
  const script = requireTool(t, 'script');
  if (script === undefined) return undefined;
  // A space, as many a home directory has.
  const data = await mkdtemp(join(tmpdir(), 'shiplog welcome-'));
  const pidFile = join(data, 'pid');
  const server = [process.execPath, program, 'serve'].map((word) => `'${word}'`).join(' ');
  const command = `echo $$ > '${pidFile}'; exec ${server}`;
  const child = spawn(script, ['-qec', command, '/dev/null'], {
    env: { ...environmentFor(data), PATH: path },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(async () => {
    await end(child, pidFile);
    await rm(data, { recursive: true, force: true });
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text.replaceAll('\r', '');
  });
  const pattern = /^Shiplog serves at (\S+)\n[\s\S]*^To push a first image:\n((?: {2}.*\n)+)\n/m;
  const ended = () => child.exitCode !== null;
  await until('it welcomes', () => pattern.test(output) || ended(), 60_000);
  const [, url, lines] = pattern.exec(output) ?? [];
  assert.ok(url !== undefined && lines !== undefined, output);
  return {
    url,
    commands: lines
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(2)),
  };
}

/** Stops the server and not `script`, which would give it no time. */
async function end(child: ChildProcess, pidFile: string): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  process.kill(Number(await readFile(pidFile, 'utf8')), 'SIGTERM');
  await ended;
}
