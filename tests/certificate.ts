import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Makes a certificate for localhost that signs itself, as PEM files in `folder`. */
export function makeCertificate(openssl: string, folder: string, name: string) {
  const certificate = join(folder, `${name}.pem`);
  const privateKey = join(folder, `${name}.key`);
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const form = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  execFileSync(openssl, [...form, '-keyout', privateKey, '-out', certificate, '-days', '2', ...subject], {
    stdio: 'pipe',
  });
  return { certificate, privateKey };
}
