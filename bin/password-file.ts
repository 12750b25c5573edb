import { existsSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { typeableSecret } from './typeable-secret.ts';

/** The administrator's first password, in a file that only its owner can read. */
export function passwordFile(path: string) {
  return {
    newPassword: (): string => typeableSecret(18),

    async keepPassword(password: string): Promise<void> {
      const file = await open(path, 'wx', 0o600);
      try {
        await file.writeFile(`${password}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      const folder = await open(dirname(path));
      await folder.sync().finally(() => folder.close());
    },

    /** A file that a crash left empty counts as none, and is removed. */
    async keptPassword(): Promise<string | undefined> {
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return '';
        throw error;
      });
      if (text.endsWith('\n')) return text.trimEnd();
      await rm(path, { force: true });
      return undefined;
    },

    /** The path, while there is such a file. */
    path: async (): Promise<string | undefined> => (existsSync(path) ? path : undefined),

    dropPassword: (): Promise<void> => rm(path, { force: true }),
  };
}
