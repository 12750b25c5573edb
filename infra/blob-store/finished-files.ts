import { lstat, open, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileMode, ifThere, makeDurableDirectory, onDisk, readOnly } from './durable-files.ts';
import {
  decodeFinished,
  encodeFinished,
  type FinishedMemory,
  finishedFolder,
  finishedName,
  idOfFinished,
} from './finished-uploads.ts';
import { isUploadId } from './key.ts';
import { entriesOf } from './stored-files.ts';

/** The memory of finished uploads in the directory `root`. Nothing is synced: it is a service and no promise. */
export async function finishedFiles(root: string): Promise<FinishedMemory> {
  const folder = join(root, finishedFolder);
  await onDisk(() => makeDurableDirectory(folder));
  return {
    rememberFinished: (upload) =>
      onDisk(() =>
        writeFile(join(folder, finishedName(upload.id)), encodeFinished(upload), { mode: fileMode }),
      ),

    findFinished: (id) =>
      onDisk(async () => {
        if (!isUploadId(id)) return undefined;
        const handle = await ifThere(open(join(folder, finishedName(id)), readOnly));
        if (handle === undefined) return undefined;
        try {
          return decodeFinished(await handle.readFile('utf8'));
        } finally {
          await handle.close();
        }
      }),

    forgetFinished: (time) =>
      onDisk(async () => {
        let forgotten = 0;
        for await (const { name } of entriesOf(folder)) {
          if (idOfFinished(name) === undefined) continue;
          const path = join(folder, name);
          const stat = await ifThere(lstat(path));
          if (stat === undefined || stat.mtime >= time) continue;
          await ifThere(unlink(path));
          forgotten += 1;
        }
        return forgotten;
      }),
  };
}
