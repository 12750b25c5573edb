import { chmod, chown, lstat, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PostgresAccount } from './postgres-account.ts';

/** Where PostgreSQL listens: a folder with a Unix socket, or a loopback address where there are none (Windows). */
export interface PostgresAddress {
  /** What node-postgres takes as `host`. */
  readonly host: string;
  readonly port: number;
  readonly socketDirectory: string | undefined;
}

/** The port is part of the socket's name; nothing listens on TCP. */
export const socketPort = 5432;
/** unix(7): the path and its closing NUL in `sun_path`, 108 bytes on Linux and 104 on macOS and the BSDs. */
const maxSocketPathBytes = process.platform === 'linux' ? 107 : 103;

export const fitsSocketPath = (folder: string): boolean =>
  Buffer.byteLength(join(folder, `.s.PGSQL.${socketPort}`)) <= maxSocketPathBytes;

/** `<directory>/run`, or a private folder of the system's temporary one where that path is too long for a socket. */
export async function prepareAddress(directory: string, account: PostgresAccount): Promise<PostgresAddress> {
  if (process.platform === 'win32') {
    return { host: '127.0.0.1', port: await freePort(), socketDirectory: undefined };
  }
  const runDirectory = join(directory, 'run');
  await prepareFolder(runDirectory, account);
  const folder = fitsSocketPath(runDirectory) ? runDirectory : await shortFolder(runDirectory, account);
  return { host: folder, port: socketPort, socketDirectory: folder };
}

/** Where a PostgreSQL of `directory` that runs already listens. */
export async function runningSocketFolder(directory: string): Promise<string> {
  const runDirectory = join(directory, 'run');
  if (fitsSocketPath(runDirectory)) return runDirectory;
  return readFile(join(runDirectory, 'socket-directory'), 'utf8');
}

/** A folder that is PostgreSQL's alone. */
export async function prepareFolder(folder: string, { owner }: PostgresAccount): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = await stat(folder);
  if ((mode & 0o777) !== 0o700) await chmod(folder, 0o700);
  if (owner !== undefined && uid !== owner.uid) await chown(folder, owner.uid, owner.gid);
}

/** The folder is written down, so that a start after a crash uses it again rather than leave one more behind. */
async function shortFolder(runDirectory: string, account: PostgresAccount): Promise<string> {
  const note = join(runDirectory, 'socket-directory');
  const noted = await readFile(note, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  if (noted !== '' && fitsSocketPath(noted) && (await isOurs(noted, account))) return noted;

  const prefixes = [join(tmpdir(), 'shiplog-pg-'), '/tmp/shiplog-pg-'];
  const prefix = prefixes.find((candidate) => fitsSocketPath(`${candidate}123456`)) ?? '/tmp/shiplog-pg-';
  const folder = await mkdtemp(prefix);
  await prepareFolder(folder, account);
  await writeFile(note, folder);
  return folder;
}

/** Anyone can make a folder of that name in a shared one, so its owner and mode are looked at, not its name. */
async function isOurs(folder: string, { owner }: PostgresAccount): Promise<boolean> {
  try {
    const found = await lstat(folder);
    return (
      found.isDirectory() &&
      found.uid === (owner?.uid ?? process.getuid?.()) &&
      (found.mode & 0o777) === 0o700
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Removes a folder that `prepareAddress` made outside of `directory`. */
export async function removeAddress(directory: string, address: PostgresAddress): Promise<void> {
  const folder = address.socketDirectory;
  if (folder === undefined || folder === join(directory, 'run')) return;
  await rm(folder, { recursive: true, force: true });
  await rm(join(directory, 'run', 'socket-directory'), { force: true });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : socketPort;
}
