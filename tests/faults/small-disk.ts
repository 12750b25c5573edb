import { execFile } from 'node:child_process';
import { mkdtemp, open, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** A disk that a test can fill. */
export interface SmallDisk {
  readonly folder: string;
  /** Writes until nothing more fits. */
  fill(): Promise<void>;
  /** Gives back what `fill` took. */
  free(): Promise<void>;
}

/**
 * Mounts a disk of `megabytes` in memory; undefined, and the test skipped, for who may not mount. Who uses it stops
 * that before the end of the test, since it is unmounted then.
 */
export async function mountSmallDisk(t: TestContext, megabytes: number): Promise<SmallDisk | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'shiplog-disk-'));
  try {
    await execute('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0755`, 'shiplog-test', folder]);
  } catch (error) {
    await rmdir(folder);
    t.skip(`only root can mount a small disk to fill it: ${(error as Error).message.trim()}`);
    return undefined;
  }
  t.after(async () => {
    await execute('umount', ['--lazy', folder]);
    await rmdir(folder);
  });
  const filler = join(folder, 'filler');

  return {
    folder,
    async fill() {
      const handle = await open(filler, 'a');
      try {
        for (const size of [1024 * 1024, 4096]) await writeWhileItFits(handle, Buffer.alloc(size, 1));
      } finally {
        await handle.close();
      }
    },
    free: () => rm(filler, { force: true }),
  };
}

async function writeWhileItFits(handle: Awaited<ReturnType<typeof open>>, chunk: Buffer): Promise<void> {
  for (;;) {
    try {
      const { bytesWritten } = await handle.write(chunk);
      if (bytesWritten < chunk.length) return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      return;
    }
  }
}
