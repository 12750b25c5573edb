import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openFilesystemStore } from '../../infra/blob-store/filesystem.ts';
import type { BlobStore } from '../../infra/blob-store/port.ts';
import { openS3Store } from '../../infra/blob-store/s3.ts';
import { startPeer } from '../contracts/eventstoredb-peer/start.ts';
import { startMinio } from '../minio-server.ts';
import { startNatsServer } from '../nats-server.ts';
import { connectNats, readStream } from '../nats-stream.ts';
import { startServer, type TestServer } from '../server.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';

const repository = '/v2/library/hello';
const mediaType = 'application/vnd.oci.image.manifest.v1+json';

test('a server on JetStream keeps what was pushed over a kill -9, and its views follow from the log', async (t) => {
  const program = requireTool(t, 'nats-server');
  if (program === undefined) return;
  const scope = scopeOf(t);
  const nats = await startNatsServer(program);
  scope.after(() => nats.stop());

  const server = await startServer(scope, {
    environment: {
      SHIPLOG_EVENT_LOG_ENGINE: 'jetstream',
      SHIPLOG_EVENT_LOG_JETSTREAM_SERVERS: `nats://127.0.0.1:${nats.port}`,
      SHIPLOG_EVENT_LOG_JETSTREAM_STREAM: 'REGISTRY',
      SHIPLOG_EVENTS_NATS_SERVERS: `nats://127.0.0.1:${nats.port}`,
    },
  });

  assert.equal(readyLine(server)?.engine, 'jetstream');
  await keepsWhatWasPushed(server);
  await nats.restart();
  await reachesItsLog(server);
  await pushImage(server, '2.0');
  await isVerified(server);

  const client = await connectNats(nats.port);
  scope.after(() => client.close());
  const published = () => readStream(client, 'SHIPLOG_EVENTS').catch(() => []);
  const isThere = async () => (await published()).some(({ event }) => event.tag === '2.0');
  await until('the pushes are published too', isThere, 60_000);
  const ids = (await published()).map(({ id }) => id);
  assert.deepEqual(ids, [...new Set(ids)]);
});

test('a server on EventStoreDB keeps what was pushed over a kill -9, and its views follow from the log', async (t) => {
  const scope = scopeOf(t);
  const peer = await startPeer(t, 8 * 1024 * 1024);

  const server = await startServer(scope, {
    environment: {
      SHIPLOG_EVENT_LOG_ENGINE: 'eventstoredb',
      SHIPLOG_EVENT_LOG_EVENTSTOREDB_URL: `esdb://127.0.0.1:${peer.port}?tls=false`,
    },
  });

  assert.equal(readyLine(server)?.engine, 'eventstoredb');
  await keepsWhatWasPushed(server);
  await peer.restart();
  await reachesItsLog(server);
  await pushImage(server, '2.0');
  await isVerified(server);
});

test('a server on S3 keeps what was pushed over a kill -9, in the bucket and not in its data directory', async (t) => {
  const program = requireTool(t, 'minio');
  if (program === undefined) return;
  const scope = scopeOf(t);
  const minio = await startMinio(program);
  scope.after(() => minio.stop());
  const { endpoint, bucket, region, accessKey, secretKey } = minio.settings;

  const server = await startServer(scope, {
    environment: {
      SHIPLOG_STORAGE_SERVICE_S3_REGIONENDPOINT: `http://${endpoint}`,
      SHIPLOG_STORAGE_SERVICE_S3_BUCKET: bucket,
      SHIPLOG_STORAGE_SERVICE_S3_REGION: region,
      SHIPLOG_STORAGE_SERVICE_S3_ACCESSKEY: accessKey,
      SHIPLOG_STORAGE_SERVICE_S3_SECRETKEY: secretKey,
      SHIPLOG_STORAGE_SERVICE_S3_ROOTDIRECTORY: '/registry',
    },
  });

  assert.equal(readyLine(server)?.store, 's3');
  const { layer } = await keepsWhatWasPushed(server);
  await isVerified(server);
  assert.ok(!(await readdir(server.dataDirectory)).includes('blobs'));
  const store = await openS3Store({ ...minio.settings, prefix: 'registry/' });
  scope.after(() => store.close());
  assert.ok((await digestsIn(store)).includes(digestOf(layer)));
});

test('a server that is told a folder for blobs stores them there', async (t) => {
  const rootdirectory = await mkdtemp(join(tmpdir(), 'shiplog-blobs-'));
  const server = await startServer(t, {
    environment: { SHIPLOG_STORAGE_SERVICE_FILESYSTEM_ROOTDIRECTORY: rootdirectory },
  });
  t.after(() => rm(rootdirectory, { recursive: true, force: true }));

  const { layer } = await pushImage(server, '1.0');

  const store = await openFilesystemStore({ directory: rootdirectory });
  t.after(() => store.close());
  assert.ok((await digestsIn(store)).includes(digestOf(layer)));
});

interface Scope {
  after(stop: () => unknown): void;
}

/** Stops the last first: a server must not see its engine die before it is told to stop itself. */
function scopeOf(t: TestContext): Scope {
  const open = new AsyncDisposableStack();
  t.after(() => open.disposeAsync());
  return { after: (stop) => open.defer(async () => void (await stop())) };
}

const readyLine = ({ lines }: TestServer) => lines.findLast(({ msg }) => msg?.startsWith('ready at '));

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const digestsIn = async (store: BlobStore): Promise<string[]> =>
  (await Array.fromAsync(store.list())).map(({ digest }) => digest);

/** An image of one layer, which is pushed in two chunks. */
async function pushImage(server: TestServer, tag: string) {
  const config = Buffer.from('{}');
  const layer = randomBytes(300_000);
  const whole = await server.fetch(`${repository}/blobs/uploads/?digest=${digestOf(config)}`, {
    method: 'POST',
    body: config,
  });
  assert.equal(whole.status, 201);

  const opened = await server.fetch(`${repository}/blobs/uploads/`, { method: 'POST' });
  assert.equal(opened.status, 202);
  const session = opened.headers.get('location') ?? '';
  for (const chunk of [layer.subarray(0, 100_000), layer.subarray(100_000)]) {
    const sent = await server.fetch(session, { method: 'PATCH', body: chunk });
    assert.equal(sent.status, 202);
  }
  const closed = await server.fetch(`${session}?digest=${digestOf(layer)}`, { method: 'PUT' });
  assert.equal(closed.status, 201);

  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(config), size: config.length },
    layers: [
      { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digestOf(layer), size: layer.length },
    ],
  });
  const put = await server.fetch(`${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: manifest,
  });
  assert.equal(put.status, 201);
  return { layer, manifest };
}

async function isPulled(
  server: TestServer,
  tag: string,
  { layer, manifest }: Awaited<ReturnType<typeof pushImage>>,
) {
  const pulled = await server.fetch(`${repository}/manifests/${tag}`);
  assert.equal(pulled.status, 200);
  assert.equal(await pulled.text(), manifest);
  const blob = await server.fetch(`${repository}/blobs/${digestOf(layer)}`);
  assert.equal(blob.status, 200);
  assert.ok(layer.equals(Buffer.from(await blob.arrayBuffer())));
}

async function keepsWhatWasPushed(server: TestServer) {
  const image = await pushImage(server, '1.0');
  await isPulled(server, '1.0', image);
  await server.stop('SIGKILL');
  await server.start();
  await isPulled(server, '1.0', image);
  await isVerified(server);
  return image;
}

/** A client that reconnects may need a moment, in which the server answers 503. */
const reachesItsLog = (server: TestServer) =>
  until('the server reaches its log again', async () => (await server.fetch('/readyz')).ok);

/** `shiplog verify` builds every view from the log again, beside the running server, and compares the rows. */
async function isVerified(server: TestServer): Promise<void> {
  const { code, output } = await server.run('verify');
  assert.equal(code, 0, output);
  assert.match(output, /tags v\d+ at position \d+: verified/);
}
