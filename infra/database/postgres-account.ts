import { readFile, stat } from 'node:fs/promises';
import { PostgresUnusable, run } from './postgres-binaries.ts';

/** As whom PostgreSQL runs, and how a command becomes one that runs so. */
export interface PostgresAccount {
  /** Undefined where it is the user who runs Shiplog, and nothing changes hands. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  command(file: string, args: readonly string[]): Command;
}

/** What `child_process.spawn` takes. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly options: { readonly uid?: number; readonly gid?: number };
}

/** capabilities(7): pass any folder and read any file; the second one writes as well. */
const capabilities = [
  { name: 'dac_read_search', bit: 2n },
  { name: 'dac_override', bit: 1n },
] as const;

/**
 * Chooses the account. PostgreSQL refuses to run as root, so root runs it as the owner of `cluster` if there is one,
 * else as the user `postgres`, else as `nobody`. Where that user cannot pass a folder above `program` or `directory`,
 * it is given the one capability that lets it.
 * @throws PostgresUnusable when no way leads there.
 */
export async function chooseAccount(
  program: string,
  directory: string,
  cluster: string,
): Promise<PostgresAccount> {
  if (process.getuid?.() !== 0) {
    await refuseForeignCluster(cluster);
    return { owner: undefined, command: (file, args) => ({ file, args, options: {} }) };
  }
  const owner = (await ownerOf(cluster)) ?? (await systemUser('postgres')) ?? (await systemUser('nobody'));
  if (owner === undefined) {
    throw new PostgresUnusable(
      'PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody; ' +
        'run Shiplog as another user, or create the user postgres',
    );
  }
  const plain = (file: string, args: readonly string[]): Command => ({ file, args, options: owner });
  const refusal = await obstacle(plain, program, directory);
  if (refusal === undefined) return { owner, command: plain };

  const capability = await allowedCapability();
  if (capability !== undefined) {
    const privileged = (file: string, args: readonly string[]): Command => ({
      file: 'setpriv',
      args: [
        `--reuid=${owner.uid}`,
        `--regid=${owner.gid}`,
        '--clear-groups',
        `--inh-caps=+${capability}`,
        `--ambient-caps=+${capability}`,
        // Without this bit access(2), with which PostgreSQL looks for its own programs, ignores the capability.
        '--securebits=+no_setuid_fixup',
        '--',
        file,
        ...args,
      ],
      options: {},
    });
    if ((await obstacle(privileged, program, directory)) === undefined) {
      return { owner, command: privileged };
    }
  }
  throw new PostgresUnusable(
    `PostgreSQL refuses to run as root, and the user with the id ${owner.uid}, as whom it would run, cannot use ` +
      `${await firstClosedFolder(owner, [program, directory])}: ${refusal}. Let other users pass through that folder ` +
      '(chmod o+x), run Shiplog as a user other than root, or give the URL of a PostgreSQL that runs',
  );
}

/** What keeps the account from the program and the directory, or undefined. Tries it, since ACLs and mounts count. */
async function obstacle(
  command: PostgresAccount['command'],
  program: string,
  directory: string,
): Promise<string | undefined> {
  // `cd` and running it, and not `test -x`, which asks with access(2) and so gets another answer (see above).
  const { file, args, options } = command('/bin/sh', [
    '-c',
    'cd "$1" && "$2" --version',
    'sh',
    directory,
    program,
  ]);
  try {
    await run(file, args, { ...options, cwd: '/', timeout: 30_000, env: { ...process.env, LC_ALL: 'C' } });
    return undefined;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return stderr?.trim() || message;
  }
}

/** The capability that lets the account pass any folder and that the bounding set allows. */
async function allowedCapability(): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined;
  const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(await readFile('/proc/self/status', 'utf8'))?.[1];
  if (bounding === undefined) return undefined;
  const set = BigInt(`0x${bounding}`);
  return capabilities.find(({ bit }) => (set >> bit) & 1n)?.name;
}

/** For the message only: the highest folder above one of `paths` whose mode does not let the user pass. */
async function firstClosedFolder(
  owner: { uid: number; gid: number },
  paths: readonly string[],
): Promise<string> {
  for (const path of paths) {
    const parts = path.split('/');
    for (let depth = 1; depth <= parts.length; depth++) {
      const folder = parts.slice(0, depth).join('/') || '/';
      const { uid, gid, mode } = await stat(folder);
      const bit = uid === owner.uid ? 0o100 : gid === owner.gid ? 0o010 : 0o001;
      if ((mode & bit) === 0) return folder;
    }
  }
  return paths.join(' or ');
}

async function ownerOf(cluster: string): Promise<{ uid: number; gid: number } | undefined> {
  const found = await statIfThere(cluster);
  return found === undefined || found.uid === 0 ? undefined : { uid: found.uid, gid: found.gid };
}

async function refuseForeignCluster(cluster: string): Promise<void> {
  const found = await statIfThere(cluster);
  const uid = process.getuid?.();
  if (found === undefined || uid === undefined || found.uid === uid) return;
  throw new PostgresUnusable(
    `the PostgreSQL data in ${cluster} belongs to the user with the id ${found.uid}, and Shiplog runs as ${uid}; ` +
      'run it as that user or as root, or change the owner of the whole data directory',
  );
}

async function statIfThere(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function systemUser(name: string): Promise<{ uid: number; gid: number } | undefined> {
  const entry = (await readFile('/etc/passwd', 'utf8').catch(() => ''))
    .split('\n')
    .map((line) => line.split(':'))
    .find(([user]) => user === name);
  return entry === undefined ? undefined : { uid: Number(entry[2]), gid: Number(entry[3]) };
}
