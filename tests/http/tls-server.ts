import type { TestContext } from 'node:test';
import { makeCertificate } from '../certificate.ts';
import { startServer } from '../server.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

/** A server that speaks TLS alone, with a certificate of its own in `folder`. */
export async function startTlsServer(t: TestContext, openssl: string, more: NodeJS.ProcessEnv = {}) {
  const folder = await temporaryDirectory();
  const used = makeCertificate(openssl, folder, 'used');
  const server = await startServer(t, {
    environment: {
      SHIPLOG_HTTPS_PORT: '0',
      SHIPLOG_HTTPS_CERTIFICATE: used.certificate,
      SHIPLOG_HTTPS_PRIVATE_KEY: used.privateKey,
      ...more,
    },
  });
  const to = { port: Number(new URL(server.url).port), host: '127.0.0.1', rejectUnauthorized: false };
  return { server, folder, used, to };
}
