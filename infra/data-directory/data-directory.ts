import { chmod, mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Hold, type HoldOptions, takeHold } from './hold.ts';

/** The directory cannot be created, written or locked; the message names it and the system's reason. */
export class DataDirectoryUnusable extends Error {
  override readonly name = 'DataDirectoryUnusable';
}

/**
 * Creates the directory where it is missing, proves that it can be written, and takes the exclusive hold on it.
 * @throws DataDirectoryUnusable
 * @throws DataDirectoryHeld when a living process has it; the hold of a dead one is taken over.
 */
export async function holdDataDirectory(path: string, options: HoldOptions): Promise<Hold> {
  const directory = resolve(path);
  try {
    await createDirectory(directory);
    // Writes and syncs a file of its own, which proves that the directory takes files.
    return await takeHold(directory, 'held-by', options);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new DataDirectoryUnusable(`the data directory ${directory} cannot be used: ${message}`, {
      cause: error,
    });
  }
}

/** A new directory is private, save that root lets others pass through, since PostgreSQL runs as another user. */
export async function createDirectory(directory: string): Promise<void> {
  const mode = process.getuid?.() === 0 ? 0o711 : 0o700;
  const created = await mkdir(directory, { recursive: true, mode });
  if (created !== undefined) await chmod(directory, mode);
}
