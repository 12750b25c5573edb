import { readFile } from 'node:fs/promises';
import type { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import type { Logger } from 'pino';

/** PEM files. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly privateKey: string;
}

/** How often the files are looked at, in milliseconds. */
const lookMs = 5000;

/** What a TLS server starts with. @throws Node's error for files that cannot be read or do not belong together. */
export async function readCertificate({ certificate, privateKey }: CertificateFiles) {
  // One after the other, so that of two that are missing it is always the certificate that is named.
  const cert = await readFile(certificate);
  const key = await readFile(privateKey);
  const options = { cert, key, minVersion: 'TLSv1.2' } as const;
  createSecureContext(options);
  return options;
}

export type Certificate = Awaited<ReturnType<typeof readCertificate>>;

/**
 * Gives `server` what is in the files whenever that changes, for the connections that come then. What cannot be used
 * is reported, and the server keeps what it has. The contents are compared, and not the files watched: a renewal
 * may write, rename or swap a link to a folder, on file systems that report none of it.
 */
export function renewCertificate(
  server: Server,
  files: CertificateFiles,
  current: Certificate,
  logger: Pick<Logger, 'info' | 'error'>,
): { look(): Promise<void>; stop(): void } {
  let used = current;
  let complaint: string | undefined;

  async function look(): Promise<void> {
    try {
      const found = await readCertificate(files);
      complaint = undefined;
      if (found.cert.equals(used.cert) && found.key.equals(used.key)) return;
      server.setSecureContext(found);
      used = found;
      logger.info({ file: files.certificate }, 'the certificate was renewed');
    } catch (error) {
      // Said once for each fault, not at every look.
      const fault = String(error);
      if (fault !== complaint)
        logger.error(
          { err: error, file: files.certificate },
          'the certificate cannot be renewed; the old one stays',
        );
      complaint = fault;
    }
  }

  const timer = setInterval(() => void look(), lookMs).unref();
  return { look, stop: () => clearInterval(timer) };
}
