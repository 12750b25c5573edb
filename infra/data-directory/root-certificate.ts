import { open } from 'node:fs/promises';

/** More than any chain of authorities. */
const maxBytes = 256 * 1024;
const certificate = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/**
 * The certificates in a PEM file, and nothing else that it may hold, a key least of all. Undefined where there is no
 * file or no certificate in it.
 */
export async function certificatesIn(path: string): Promise<string | undefined> {
  const text = await textOf(path);
  const found = text?.match(certificate);
  return found ? `${found.join('\n')}\n` : undefined;
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    const file = await open(path);
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
      return buffer.toString('latin1', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES'].includes(code)) return undefined;
    throw error;
  }
}
