import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { makeCertificate } from '../certificate.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';
import { startTlsServer } from './tls-server.ts';

/** A server with a certificate, and what it shows of it. */
async function start(t: TestContext, openssl: string) {
  const { server, folder, used, to } = await startTlsServer(t, openssl);

  async function shown(): Promise<string> {
    const socket = connect(to);
    await once(socket, 'secureConnect');
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  }
  const complaints = () => server.lines.filter(({ level }) => level === 'error').length;
  return { folder, used, server, to, shown, complaints };
}

const fingerprint = async (file: string) => new X509Certificate(await readFile(file)).fingerprint256;

test('a certificate that changed is used without a restart, and open connections go on', async (t) => {
  const openssl = requireTool(t, 'openssl');
  if (openssl === undefined) return;
  const { folder, used, to, shown } = await start(t, openssl);
  const first = await shown();
  assert.equal(first, await fingerprint(used.certificate));
  const open = connect(to);
  t.after(() => open.destroy());
  await once(open, 'secureConnect');

  const next = makeCertificate(openssl, folder, 'next');
  await copyFile(next.privateKey, used.privateKey);
  await rename(next.certificate, used.certificate);
  await until('the new one is shown', async () => (await shown()) !== first, 60_000);
  assert.equal(await shown(), await fingerprint(used.certificate));

  open.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
  const [answer] = await once(open, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 200 /);
});

test('SIGHUP renews the certificate; a broken pair keeps the old one, and the operator is told', async (t) => {
  const openssl = requireTool(t, 'openssl');
  if (openssl === undefined) return;
  const { folder, used, server, shown, complaints } = await start(t, openssl);
  const first = await shown();
  const other = makeCertificate(openssl, folder, 'other');
  const key = await readFile(used.privateKey);

  for (const [what, key] of [
    ['that is not its own', await readFile(other.privateKey)],
    ['that is cut off', (await readFile(used.privateKey)).subarray(0, 60)],
  ] as const) {
    const before = complaints();
    await writeFile(used.privateKey, key);
    process.kill(server.pid(), 'SIGHUP');
    await until(`a key ${what} is reported`, () => complaints() > before, 60_000);
    assert.equal(await shown(), first, `a key ${what}`);
  }
  await rm(used.privateKey);
  const before = complaints();
  process.kill(server.pid(), 'SIGHUP');
  await until('a key that is gone is reported', () => complaints() > before, 60_000);
  assert.equal(await shown(), first);

  await writeFile(used.privateKey, key);
  await copyFile(other.certificate, used.certificate);
  await copyFile(other.privateKey, used.privateKey);
  process.kill(server.pid(), 'SIGHUP');
  await until('the new one is shown', async () => (await shown()) !== first, 60_000);
  assert.equal(await shown(), await fingerprint(other.certificate));
  assert.doesNotMatch(JSON.stringify(server.lines), /BEGIN|PRIVATE KEY-/, 'no key is in the log');
});
