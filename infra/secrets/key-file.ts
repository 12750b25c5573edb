import { randomBytes, randomUUID } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The key file is there and holds no key; a new key would leave everything that was sealed unreadable. */
export class SecretKeyUnusable extends Error {
  override readonly name = 'SecretKeyUnusable';
}

/** Shorter keys can be guessed. */
export const minKeyLength = 16;

/**
 * The key in the file at `path`. Where there is none a new one is made, which is durable when this resolves; of
 * several processes that make one at once, all get the same.
 * @throws SecretKeyUnusable
 */
export async function keyFromFile(path: string): Promise<string> {
  const key = (await keyIn(path)) ?? (await makeKey(path));
  if (key.length < minKeyLength)
    throw new SecretKeyUnusable(
      `${path} holds no key of at least ${minKeyLength} characters; put back the file that was there before`,
    );
  return key;
}

async function keyIn(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function makeKey(path: string): Promise<string> {
  // Whole and synced before it has its name, so that neither a crash nor a rival ever sees half a key.
  const draft = `${path}.${randomUUID()}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${randomBytes(32).toString('base64url')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    // Fails where the name is taken, as a rename would not.
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const folder = await open(dirname(path));
  await folder.sync().finally(() => folder.close());
  return (await keyIn(path)) ?? '';
}
