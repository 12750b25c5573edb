import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { s3Settings } from '../bin/settings.ts';
import { StoreUnavailable } from '../infra/blob-store/port.ts';
import { openS3Store } from '../infra/blob-store/s3.ts';
import { loadConfiguration } from '../infra/configuration/load.ts';
import { requireTool } from './tool.ts';

/** What the S3 adapter is told when the environment says this of `storage_service`. */
async function settingsFrom(variables: Readonly<Record<string, string>>) {
  const given = Object.entries(variables).map(([key, value]) => [`SHIPLOG_STORAGE_SERVICE_${key}`, value]);
  const { storage_service } = await loadConfiguration({ environment: Object.fromEntries(given) });
  assert.ok(storage_service.s3);
  return s3Settings(storage_service.s3, storage_service.ca_bundle);
}

test('everything that the configuration says of S3 reaches the store', async () => {
  const settings = await settingsFrom({
    S3_BUCKET: 'blobs',
    S3_REGION: 'eu-north-1',
    S3_REGIONENDPOINT: 'http://store:9000/',
    S3_ACCESSKEY: 'key',
    S3_SECRETKEY: 'secret',
    S3_SESSIONTOKEN: 'token',
    S3_FORCEPATHSTYLE: 'false',
    S3_ROOTDIRECTORY: '/some/folder/',
    S3_CHUNKSIZE: '8388608',
  });

  assert.deepEqual(settings, {
    endpoint: 'store:9000',
    region: 'eu-north-1',
    bucket: 'blobs',
    accessKey: 'key',
    secretKey: 'secret',
    sessionToken: 'token',
    secure: false,
    pathStyle: false,
    prefix: 'some/folder/',
    partSize: 8 * 1024 * 1024,
  });
});

test('a store behind TLS is trusted by the authority that the configuration names, and by it alone', async (t) => {
  const asked = await startTlsStore(t);
  if (asked === undefined) return;
  const { port, certificate, requests } = asked;
  const store = { S3_BUCKET: 'blobs', S3_REGIONENDPOINT: `https://localhost:${port}` };
  const login = { S3_ACCESSKEY: 'key', S3_SECRETKEY: 'secret', S3_SESSIONTOKEN: 'token' };

  const trusting = await openS3Store(await settingsFrom({ ...store, ...login, CA_BUNDLE: certificate }));
  await trusting.close();
  assert.equal(requests[0]?.url, '/blobs');
  assert.equal(requests[0]?.headers['x-amz-security-token'], 'token');
  await assert.rejects(openS3Store(await settingsFrom({ ...store, ...login })), StoreUnavailable);
});

/** Answers every request as a store would that has the bucket. */
async function startTlsStore(t: TestContext) {
  const openssl = requireTool(t, 'openssl');
  if (openssl === undefined) return undefined;
  const directory = await mkdtemp(join(tmpdir(), 'shiplog-test-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const [key, certificate] = [join(directory, 'store.key'), join(directory, 'store.crt')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const files = ['-keyout', key, '-out', certificate];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files];
  execFileSync(openssl, request, { stdio: 'ignore' });
  const requests: IncomingMessage[] = [];
  const server = createServer(
    { key: await readFile(key), cert: await readFile(certificate) },
    (asked, answer) => {
      requests.push(asked);
      answer.end();
    },
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { port, certificate, requests };
}
