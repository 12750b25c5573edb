import { statfs } from 'node:fs/promises';

/** How large the disk is that holds `directory`, and what of it this process may still use, in bytes. */
export async function diskOf(directory: string): Promise<{ readonly total: number; readonly free: number }> {
  const { blocks, bavail, bsize } = await statfs(directory);
  return { total: blocks * bsize, free: bavail * bsize };
}
