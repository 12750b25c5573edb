import assert from 'node:assert/strict';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Digest } from '../../domain/digest.ts';
import type { Scrubbed, ScrubPlace } from '../../workers/scrub.ts';
import { startServer } from '../server.ts';
import {
  digestOf,
  imageOf,
  pushBlob,
  pushImage,
  putManifest,
  refusalOf,
  send,
  startUpload,
} from './client.ts';
import { openCollector } from './collector.ts';
import { eventsOf } from './server-log.ts';

const server = await startServer({ after });
const collector = await openCollector({ after }, server);

const manifestAt = (repository: string, reference: string) => `/v2/${repository}/manifests/${reference}`;
const blobAt = (repository: string, digest: string) => `/v2/${repository}/blobs/${digest}`;

const scrub = collector.scrub;

/** The files of the bytes that have `digest`. */
async function filesOf(digest: string): Promise<string[]> {
  const hex = digest.slice('sha256:'.length);
  return (await collector.keys())
    .filter((key) => key.includes(hex))
    .map((key) => join(server.dataDirectory, 'blobs', 'blobs', key));
}

async function fileOf(digest: string): Promise<string> {
  const [file, ...others] = await filesOf(digest);
  assert.ok(file !== undefined && others.length === 0);
  return file;
}

async function flipByte(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  await writeFile(file, bytes);
}

const damagesTo: readonly [name: string, damage: (file: string) => Promise<void>, fault: RegExp][] = [
  ['changed', flipByte, /the bytes have the digest sha256:/],
  ['cut short', (file) => truncate(file, 3), /there are 3 bytes, not \d+/],
  ['deleted', (file) => rm(file), /the bytes are missing/],
];

for (const [name, damage, fault] of damagesTo) {
  test(`a blob whose file was ${name} is reported, answered as absent, and whole again after a push`, async () => {
    const repository = `library/blob-${name.replace(' ', '-')}`;
    const bytes = `the bytes of a blob that was ${name}`;
    const blob = await pushBlob(server, repository, bytes);
    const manifest = imageOf(blob, [blob]);
    await putManifest(server, repository, '1.0', manifest);
    const file = await fileOf(blob.digest);
    await damage(file);

    const [found, ...others] = (await scrub()).damages;

    assert.deepEqual([found?.repository, found?.digest, others], [undefined, blob.digest, []]);
    assert.match(found?.fault ?? '', fault);
    for (const method of ['HEAD', 'GET'])
      assert.equal((await send(server, method, blobAt(repository, blob.digest))).status, 404);
    const refused = await putManifest(server, repository, '2.0', manifest);
    assert.deepEqual(refusalOf(refused), [400, 'MANIFEST_BLOB_UNKNOWN']);

    await pushBlob(server, repository, bytes);

    const read = await send(server, 'GET', blobAt(repository, blob.digest));
    assert.deepEqual([read.status, read.body.toString()], [200, bytes]);
    assert.equal((await putManifest(server, repository, '2.0', manifest)).status, 201);
    assert.notEqual(await fileOf(blob.digest), file, 'only the new bytes are kept');
    assert.deepEqual((await scrub()).damages, []);
  });

  test(`a manifest whose file was ${name} is reported, answered as absent, and whole again after a push`, async () => {
    const repository = `library/manifest-${name.replace(' ', '-')}`;
    const { digest, manifest, blob } = await pushImage(server, repository, '1.0', name);
    const file = await fileOf(digest);
    await damage(file);

    const [found, ...others] = (await scrub()).damages;

    assert.deepEqual([found?.repository, found?.digest, others], [repository, digest, []]);
    assert.match(found?.fault ?? '', fault);
    for (const reference of ['1.0', digest])
      for (const method of ['HEAD', 'GET'])
        assert.equal((await send(server, method, manifestAt(repository, reference))).status, 404);
    const [last] = (await eventsOf(collector.log, `artifact/${repository}@${digest}`)).slice(-1);
    assert.deepEqual([last?.type, last?.metadata.actor], ['ManifestDamaged', 'system']);
    await collector.collect();
    assert.equal((await send(server, 'HEAD', blobAt(repository, blob.digest))).status, 200, 'still needed');

    assert.equal((await putManifest(server, repository, '1.0', manifest)).status, 201);

    for (const reference of ['1.0', digest]) {
      const read = await send(server, 'GET', manifestAt(repository, reference));
      assert.deepEqual([read.status, read.body.toString()], [200, manifest]);
    }
    assert.notEqual(await fileOf(digest), file, 'only the new bytes are kept');
    assert.deepEqual((await scrub()).damages, []);
  });
}

test('a damaged blob is not mounted, also where both repositories hold it, so that clients upload it again', async () => {
  const [repository, from] = ['library/mounts-damaged', 'library/mounts-damaged-from'];
  const bytes = 'held by two and damaged';
  const mount = (digest: string) =>
    send(server, 'POST', `/v2/${repository}/blobs/uploads/?mount=${digest}&from=${from}`);
  const blob = await pushBlob(server, from, bytes);
  assert.equal((await mount(blob.digest)).status, 201);
  await flipByte(await fileOf(blob.digest));
  assert.equal((await scrub()).damages.length, 1);

  assert.equal((await mount(blob.digest)).status, 202);

  await pushBlob(server, repository, bytes);
  assert.equal((await mount(blob.digest)).status, 201);
  assert.equal((await putManifest(server, repository, '1.0', imageOf(blob, [blob]))).status, 201);
});

test('a closing PUT that is sent again does not make damaged bytes sound', async () => {
  const repository = 'library/repeated-when-damaged';
  const bytes = 'uploaded, damaged, and closed again';
  const digest = digestOf(bytes);
  const location = await startUpload(server, repository);
  const path = `${location}?digest=${digest}`;
  assert.equal((await send(server, 'PUT', path, { body: bytes })).status, 201);
  await flipByte(await fileOf(digest));
  assert.equal((await scrub()).damages.length, 1);

  assert.deepEqual(refusalOf(await send(server, 'PUT', path)), [404, 'BLOB_UPLOAD_UNKNOWN']);
  assert.equal((await send(server, 'GET', blobAt(repository, digest))).status, 404);

  await pushBlob(server, repository, bytes);
  assert.equal((await send(server, 'PUT', path)).status, 201);
  assert.equal((await send(server, 'GET', blobAt(repository, digest))).body.toString(), bytes);
});

test('a damaged manifest can be deleted', async () => {
  const repository = 'library/damaged-and-deleted';
  const { digest } = await pushImage(server, repository, '1.0', 'damaged and deleted');
  await flipByte(await fileOf(digest));
  assert.equal((await scrub()).damages.length, 1);
  assert.equal((await send(server, 'DELETE', manifestAt(repository, digest))).status, 202);
  assert.deepEqual(await filesOf(digest), []);
  assert.deepEqual((await scrub()).damages, []);
  const list = await send(server, 'GET', `/v2/${repository}/tags/list`);
  assert.deepEqual(JSON.parse(list.body.toString()).tags, []);
});

test('a scrub that was stopped says where it was, and another one goes on there', async () => {
  await pushImage(server, 'library/scrubbed-in-parts', '1.0', 'in parts');
  const whole = await scrub();
  let looked = { blobs: 0, manifests: 0, bytes: 0 };
  let rounds = 0;
  for (let after: ScrubPlace | undefined; rounds === 0 || after !== undefined; rounds += 1) {
    const stopping = new AbortController();
    const part: Scrubbed = await scrub({
      after,
      stopping: stopping.signal,
      onProgress: () => stopping.abort(),
    });
    looked = {
      blobs: looked.blobs + part.blobs,
      manifests: looked.manifests + part.manifests,
      bytes: looked.bytes + part.bytes,
    };
    after = part.next;
  }
  assert.ok(rounds > 3);
  assert.deepEqual(looked, { blobs: whole.blobs, manifests: whole.manifests, bytes: whole.bytes });
});

test('bytes that are deleted or replaced while they are looked at are not damaged', async () => {
  const blob = await pushBlob(server, 'library/deleted-meanwhile', 'deleted meanwhile');
  const file = await fileOf(blob.digest);
  await rm(file);
  await send(server, 'DELETE', blobAt('library/deleted-meanwhile', blob.digest));
  const key = file.slice(join(server.dataDirectory, 'blobs', 'blobs', '/').length);
  const digest = blob.digest as Digest;
  const damage = { digest, key, fault: 'the bytes are missing' };
  assert.equal(await collector.reportDamage.ofBlob(damage, { actor: 'system' }), false);
  await pushBlob(server, 'library/deleted-meanwhile', 'deleted meanwhile');
  assert.equal(await collector.reportDamage.ofBlob(damage, { actor: 'system' }), false);
  assert.equal((await send(server, 'GET', blobAt('library/deleted-meanwhile', digest))).status, 200);
});

test('the command line exits with 1 while there is damage, new or known, and with 2 where it cannot begin', async () => {
  const repository = 'library/scrubbed-by-command';
  const { digest, manifest } = await pushImage(server, repository, '1.0', 'by command');
  await flipByte(await fileOf(digest));
  const found = await server.run('scrub', '--rate', '0.5');
  assert.equal(found.code, 1, found.output);
  assert.match(
    found.output,
    new RegExp(`^artifact/${repository}@${digest}: the bytes have the digest sha256:`, 'm'),
  );
  const known = await server.run('scrub', '--json', '--after', 'blob/sha256:ffff');
  assert.equal(known.code, 1);
  const report = JSON.parse(known.output) as { blobs: number; next: null; damages: { isKnown: boolean }[] };
  assert.deepEqual([report.blobs, report.next, report.damages[0]?.isKnown], [0, null, true]);
  assert.equal((await server.run('scrub', '--after', 'nowhere')).code, 2);
  await putManifest(server, repository, '1.0', manifest);
  assert.equal((await server.run('scrub')).code, 0);
});
