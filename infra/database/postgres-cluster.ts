import { randomBytes } from 'node:crypto';
import { chown, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { PostgresAccount } from './postgres-account.ts';
import { type PostgresBinaries, PostgresUnusable } from './postgres-binaries.ts';
import { guarded } from './postgres-guard.ts';

/** The role that initdb creates; it owns everything in the cluster. */
export const superuser = 'shiplog';

/** The password of `superuser`, made on first use, and kept in a file that only its owner can read. */
export async function clusterPassword(
  file: string,
  account: PostgresAccount,
  clusterExists: boolean,
): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    if (clusterExists) {
      throw new PostgresUnusable(
        `${file}, the password of the PostgreSQL beside it, is missing; restore it`,
        {
          cause: error,
        },
      );
    }
  }
  const password = randomBytes(24).toString('base64url');
  const draft = `${file}.new-${randomBytes(6).toString('hex')}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(`${password}\n`);
    // initdb reads it as the user that PostgreSQL runs as.
    if (account.owner !== undefined) await handle.chown(account.owner.uid, account.owner.gid);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
  await syncFolder(dirname(file));
  return password;
}

/**
 * Creates the cluster with initdb beside its place and moves it there when it is whole and synced, so that a crash
 * leaves either no cluster or a whole one; what an earlier crash left is removed.
 */
export async function createCluster(
  cluster: string,
  passwordFile: string,
  binaries: PostgresBinaries,
  account: PostgresAccount,
): Promise<void> {
  await removeDrafts(cluster);
  await removeDrafts(passwordFile);
  const draft = `${cluster}.new-${randomBytes(6).toString('hex')}`;
  await mkdir(draft, { mode: 0o700 });
  if (account.owner !== undefined) await chown(draft, account.owner.uid, account.owner.gid);
  const initdb = guarded(
    account,
    binaries.initdb,
    [
      `--pgdata=${draft}`,
      `--username=${superuser}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      // Sorts by code point, which is the order of the distribution spec, and needs no library of the system.
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-instructions',
    ],
    'kill',
  );
  const code = await initdb.exited;
  if (code !== 0) {
    await rm(draft, { recursive: true, force: true });
    throw new PostgresUnusable(
      `PostgreSQL's initdb failed in ${draft} (exit code ${code}): ${initdb.output().trim()}`,
    );
  }
  await rename(draft, cluster);
  await syncFolder(dirname(cluster));
}

/** The major version that the cluster was made by, or undefined where there is no cluster. */
export async function clusterVersion(cluster: string): Promise<number | undefined> {
  try {
    return Number((await readFile(join(cluster, 'PG_VERSION'), 'utf8')).trim());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const entries = await readdir(cluster).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (entries.length === 0) return undefined;
  throw new PostgresUnusable(`${cluster} is in the way: it is not empty, and it is no PostgreSQL cluster`);
}

async function removeDrafts(path: string): Promise<void> {
  const folder = dirname(path);
  const prefix = `${basename(path)}.new-`;
  for (const entry of await readdir(folder)) {
    if (!entry.startsWith(prefix)) continue;
    await rm(join(folder, entry), { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return; // Windows opens no folders.
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
