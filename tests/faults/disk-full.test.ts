import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { startServer, type TestServer } from '../server.ts';
import { until } from '../until.ts';
import {
  ask,
  digestOf,
  imageType,
  insist,
  makeImage,
  NotAcknowledged,
  pullImage,
  pushImage,
  seeded,
  tagsOf,
} from './oci-client.ts';
import { queryPostgres } from './postgres-of.ts';
import { mountSmallDisk } from './small-disk.ts';

const repository = 'library/full';

test('a full blob store takes nothing in half, serves what it has, and goes on when there is space', async (t) => {
  const disk = await mountSmallDisk(t, 16);
  if (disk === undefined) return;
  const server = await startServer(t, {
    environment: { SHIPLOG_STORAGE_SERVICE_FILESYSTEM_ROOTDIRECTORY: disk.folder },
  });
  try {
    const random = seeded(4);
    const kept = makeImage(random);
    await pushImage(server, repository, 'kept', kept);
    const blob = randomBytes(8 * 1024 * 1024);
    const first = blob.subarray(0, 4096);
    const upload = await startUpload(server, first);
    await disk.fill();

    const refused = await server.fetch(upload, {
      method: 'PATCH',
      body: new Uint8Array(blob.subarray(4096)),
    });
    await assertFull(refused);
    await assertFull(
      await server.fetch(`/v2/${repository}/blobs/uploads/?digest=${digestOf(blob)}`, {
        method: 'POST',
        body: new Uint8Array(blob),
      }),
    );
    await assertFull(
      await server.fetch(`/v2/${repository}/manifests/new`, {
        method: 'PUT',
        headers: { 'content-type': imageType },
        body: kept.manifest.padEnd(64 * 1024),
      }),
    );
    const head = await ask(server, `/v2/${repository}/blobs/${digestOf(blob)}`, { method: 'HEAD' });
    assert.equal(head.status, 404);
    assert.deepEqual(await tagsOf(server, repository), ['kept']);
    assert.equal(await pullImage(server, repository, 'kept'), kept.digest);

    await disk.free();
    const arrived = await sizeOf(server, upload);
    assert.ok(arrived >= first.length && arrived < blob.length, `${arrived} bytes have arrived`);
    const rest = await server.fetch(upload, {
      method: 'PATCH',
      body: new Uint8Array(blob.subarray(arrived)),
    });
    assert.equal(rest.status, 202);
    const finished = await server.fetch(`${upload}?digest=${digestOf(blob)}`, { method: 'PUT' });
    assert.equal(finished.status, 201);
    const pulled = await ask(server, `/v2/${repository}/blobs/${digestOf(blob)}`);
    assert.equal(digestOf(pulled.body), digestOf(blob));
    await pushImage(server, repository, 'after', makeImage(random));
  } finally {
    await server.stop();
  }
});

test('a full disk under the log costs no acknowledged push, and the server goes on when there is space', async (t) => {
  const disk = await mountSmallDisk(t, 200);
  if (disk === undefined) return;
  const blobs = await mountSmallDisk(t, 64);
  if (blobs === undefined) return;
  const server = await startServer(t, {
    dataDirectory: disk.folder,
    environment: { SHIPLOG_STORAGE_SERVICE_FILESYSTEM_ROOTDIRECTORY: blobs.folder },
  });
  try {
    const pid = server.pid();
    const random = seeded(5);
    const acknowledged = new Map<string, string>();
    const push = async (tag: string) => {
      const image = makeImage(random, 1);
      await pushImage(server, repository, tag, image);
      acknowledged.set(tag, image.digest);
    };
    await push('before');
    await disk.fill();
    // The log's last file has room; the next one cannot be made, and PostgreSQL ends itself over that.
    await queryPostgres(disk.folder, 'postgres', 'select pg_switch_wal()').catch(() => undefined);
    const refusal = await untilRefused(push);
    assert.ok(refusal.status === 503 || refusal.status === 507, refusal.message);
    await until('PostgreSQL has ended itself', () =>
      server.lines.some(({ msg }) => /PostgreSQL ended|PostgreSQL did not start/.test(msg ?? '')),
    );
    const healthy = await server.fetch('/healthz');
    assert.equal(healthy.status, 200);

    await disk.free();
    await insist(() => push('after'), 60_000);
    assert.equal(server.pid(), pid);
    for (const [tag, digest] of acknowledged)
      assert.equal(await pullImage(server, repository, tag), digest, tag);
    for (const tag of await tagsOf(server, repository)) await pullImage(server, repository, tag);
    const verified = await server.run('verify');
    assert.equal(verified.code, 0, verified.output);
  } finally {
    await server.stop();
  }
});

/** Pushes until the server says that it cannot; what is still free in the files that are there may take some. */
async function untilRefused(push: (tag: string) => Promise<void>): Promise<NotAcknowledged> {
  for (let each = 0; each < 500; each++) {
    try {
      await push(`full-${each}`);
    } catch (error) {
      if (!(error instanceof NotAcknowledged)) throw error;
      if (error.status !== undefined) return error;
    }
  }
  throw new Error('the disk is full, and 500 pushes went through');
}

async function startUpload(server: TestServer, bytes: Buffer): Promise<string> {
  const started = await server.fetch(`/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  const location = started.headers.get('location') ?? '';
  const appended = await server.fetch(location, { method: 'PATCH', body: new Uint8Array(bytes) });
  assert.equal(appended.status, 202);
  return location;
}

/** distribution-spec, "Pushing a blob in chunks": the range of an upload ends with its last byte. */
async function sizeOf(server: TestServer, upload: string): Promise<number> {
  const answer = await server.fetch(upload);
  assert.equal(answer.status, 204);
  return Number(answer.headers.get('range')?.split('-')[1]) + 1;
}

async function assertFull(answer: Response): Promise<void> {
  const body = await answer.text();
  assert.equal(answer.status, 507, body);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
  const { errors } = JSON.parse(body) as { errors: { code: string; message: string }[] };
  assert.deepEqual(errors, [{ code: 'UNAVAILABLE', message: 'the registry has no space left' }]);
}
