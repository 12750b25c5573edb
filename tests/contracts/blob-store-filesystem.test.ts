import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { blobStoreContract, type StoreUnderTest } from './blob-store.ts';

async function startFilesystem(t: TestContext): Promise<StoreUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'shiplog-blobs-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return {
    settings: { kind: 'filesystem', directory },
    kills: 12,
    largeBytes: 5 * 1024 ** 3,

    async plantStrays() {
      const hex = 'ab'.repeat(32);
      const random = '0'.repeat(32);
      for (const path of [
        `blobs/md5/ab/${hex}/${random}`,
        `blobs/sha256/cd/${hex}/${random}`,
        `blobs/sha256/ab/${hex.toUpperCase()}/${random}`,
        `blobs/sha256/ab/${hex.slice(1)}/${random}`,
        `blobs/sha256/ab/${hex}/${random}.tmp`,
        `blobs/sha256/ab/${hex}/${'1'.repeat(32)}/file`,
        `blobs/sha256/file`,
        'blobs/lost+found/file',
        'blobs/file',
        'uploads/file',
        'uploads/folder/data',
      ]) {
        await mkdir(join(directory, path, '..'), { recursive: true });
        await writeFile(join(directory, path), 'stray');
      }
      await symlink('/etc/passwd', join(directory, `blobs/sha256/ab/${hex}/${'2'.repeat(32)}`));
    },

    async everything() {
      const entries = await readdir(directory, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => !entry.isDirectory() || entry.parentPath === join(directory, 'uploads'))
        .map((entry) => join(entry.parentPath, entry.name));
    },
  };
}

blobStoreContract('filesystem', startFilesystem);
