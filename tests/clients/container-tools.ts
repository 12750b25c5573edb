import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { requireTool, type ToolOptions } from '../tool.ts';

const execute = promisify(execFile);

/** Longer than any client takes on a slow machine, so that one that hangs is told from one that is slow. */
const patienceMs = 120_000;

/** What the terminal asks, in part, and the keys that are then pressed. */
export type Turn = readonly [asked: string, keys: string];

/** Programs that a user runs against a registry, with everything that they keep or read in a folder of the test. */
export interface ContainerTools {
  /** For files of the test; removed after it. */
  readonly directory: string;
  /** What makes the programs keep to the folder, also where a command is run as a user would type it. */
  readonly environment: NodeJS.ProcessEnv;
  /** Runs the program to its end and resolves to its standard output. Rejects, with its errors, when it fails. */
  run(program: string, ...args: string[]): Promise<string>;
  /** Like `run`, and resolves to what it wrote to both of its outputs, for programs that tell on the second. */
  tell(program: string, ...args: string[]): Promise<string>;
  /** Like `tell`, with `input` on its standard input. */
  feed(input: string | Buffer, program: string, ...args: string[]): Promise<string>;
  /**
   * Runs the program at a terminal, where each of `turns` is typed when the screen shows what it answers, and resolves
   * to all that the screen has shown, without colours. It needs the program `script`.
   */
  converse(turns: readonly Turn[], program: string, ...args: string[]): Promise<string>;
}

/** Undefined, and the test skipped, where one of `programs` is not on this machine; see `requireTool`. */
export async function startContainerTools(
  t: TestContext,
  programs: readonly string[],
  options?: ToolOptions,
): Promise<ContainerTools | undefined> {
  const paths = new Map<string, string>();
  for (const program of programs) {
    const path = requireTool(t, program, options);
    if (path === undefined) return undefined;
    paths.set(program, path);
  }
  const directory = await mkdtemp(join(tmpdir(), 'shiplog-clients-'));
  t.after(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  const environment = await isolate(directory);

  const pathOf = (program: string): string => {
    const path = paths.get(program);
    if (path === undefined) throw new Error(`${program} was not asked for`);
    return path;
  };
  const leftInput = (program: string) => (error: Error) =>
    t.diagnostic(`${program} left its input: ${error.message}`);
  const start = (program: string, args: readonly string[]) =>
    execute(pathOf(program), args, {
      env: environment,
      cwd: directory,
      timeout: patienceMs,
      killSignal: 'SIGKILL',
      maxBuffer: 2 ** 26,
    });
  return {
    directory,
    environment,
    run: async (program, ...args) => (await start(program, args)).stdout,
    async tell(program, ...args) {
      const { stdout, stderr } = await start(program, args);
      return stdout + stderr;
    },
    async feed(input, program, ...args) {
      const started = start(program, args);
      // A program that has ended before it read all says why by itself.
      started.child.stdin?.on('error', leftInput(program));
      started.child.stdin?.end(input);
      const { stdout, stderr } = await started;
      return stdout + stderr;
    },
    async converse(turns, program, ...args) {
      // A terminal of `script` has no size, with which some programs draw nothing, or end.
      const typed = [pathOf(program), ...args].map(quote).join(' ');
      const started = start('script', ['-qec', `stty rows 50 cols 200; exec ${typed}`, '/dev/null']);
      const { stdin, stdout: screen } = started.child;
      stdin?.on('error', leftInput(program));
      const left = [...turns];
      let unanswered = '';
      screen?.setEncoding('utf8').on('data', (shown: string) => {
        unanswered += shown;
        for (let [turn] = left; turn !== undefined; [turn] = left) {
          const at = unanswered.indexOf(turn[0]);
          if (at < 0) return;
          unanswered = unanswered.slice(at + turn[0].length);
          stdin?.write(turn[1]);
          left.shift();
        }
      });
      const { stdout } = await started;
      if (left.length > 0)
        throw new Error(`${program} did not ask ${left.map(([asked]) => asked)}: ${stdout}`);
      return plain(stdout);
    },
  };
}

/**
 * What also works for root in a container or a sandbox: storage without overlay mounts, and neither namespaces nor
 * control groups nor systemd's journal.
 */
async function isolate(directory: string): Promise<NodeJS.ProcessEnv> {
  const home = join(directory, 'home');
  const settings = join(home, '.config', 'containers');
  const runtime = join(directory, 'run');
  await mkdir(settings, { recursive: true });
  await mkdir(runtime, { mode: 0o700 });
  await writeFile(join(settings, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
  await writeFile(join(settings, 'registries.conf'), 'unqualified-search-registries = []\n');
  // buildah refuses to begin where the file that is named is not there.
  await writeFile(join(home, 'auth.json'), '{"auths":{}}');
  const storage = { driver: 'vfs', graphroot: join(directory, 'storage'), runroot: join(directory, 'locks') };
  await writeFile(join(settings, 'storage.conf'), `[storage]\n${toml(storage)}`);
  const engine = { cgroup_manager: 'cgroupfs', events_logger: 'none', tmp_dir: join(directory, 'libpod') };
  await writeFile(join(settings, 'containers.conf'), `[engine]\n${toml(engine)}`);
  return {
    PATH: process.env.PATH,
    TERM: 'dumb',
    LC_ALL: 'C',
    HOME: home,
    TMPDIR: directory,
    XDG_CONFIG_HOME: join(home, '.config'),
    XDG_DATA_HOME: join(home, '.local', 'share'),
    XDG_CACHE_HOME: join(home, '.cache'),
    XDG_RUNTIME_DIR: runtime,
    REGISTRY_AUTH_FILE: join(home, 'auth.json'),
    CONTAINERS_CONF: join(settings, 'containers.conf'),
    CONTAINERS_STORAGE_CONF: join(settings, 'storage.conf'),
    CONTAINERS_REGISTRIES_CONF: join(settings, 'registries.conf'),
    BUILDAH_ISOLATION: 'chroot',
    // Of the keys that it makes and uses, which it would ask for at a terminal.
    COSIGN_PASSWORD: 'cosign',
    // What Harbor's command line encrypts passwords with in its configuration, for want of a keyring of the desktop.
    HARBOR_ENCRYPTION_KEY: Buffer.alloc(32).toString('base64'),
  };
}

const toml = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`)
    .join('');

/** For a shell. */
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** What a terminal has shown, without what moves and colours it. */
const plain = (shown: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed.
  shown.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]|\r/g, '');
