import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Database } from '../database/connect.ts';
import { releaseClaimsOf } from './postgres.ts';

const uuid = z.uuid();

/**
 * The name of this process among those that claim. It stands in `file`, which belongs to one process at a time, until the
 * next one takes its place: whatever a process that was killed had claimed is given back then and not when its time is
 * over. A name of its own for each, so that a copy of the file makes no two processes one.
 */
export async function succeedHolder(database: Pick<Database, 'pool'>, file: string): Promise<string> {
  const former = uuid.safeParse((await textOf(file)).trim());
  if (former.success) await releaseClaimsOf(database, former.data);
  const holder = randomUUID();
  const draft = `${file}.${holder}`;
  // Not synced: who loses it waits for half a minute.
  await writeFile(draft, `${holder}\n`);
  await rename(draft, file);
  return holder;
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
