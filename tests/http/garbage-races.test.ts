import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { aloneIn } from '../../infra/database/alone.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import {
  digestOf,
  imageOf,
  mediaTypes,
  pushBlob,
  pushImage,
  putManifest,
  refusalOf,
  send,
} from './client.ts';
import { openCollector } from './collector.ts';

const server = await startServer({ after });
const collector = await openCollector({ after }, server);

const manifestAt = (repository: string, reference: string) => `/v2/${repository}/manifests/${reference}`;
const blobAt = (repository: string, digest: string) => `/v2/${repository}/blobs/${digest}`;
const statusOf = async (method: string, path: string) => (await send(server, method, path)).status;
const manifestOf = (manifest: string) => ({ manifest, digest: digestOf(manifest) });

test('a client that has seen a blob before it was condemned can push a manifest that names it', async () => {
  const repository = 'library/seen-before';
  const blob = await pushBlob(server, repository, 'seen before');
  assert.equal(await statusOf('HEAD', blobAt(repository, blob.digest)), 200);
  const condemned = await collector.condemnBlob(repository, blob.digest);
  assert.equal(await statusOf('HEAD', blobAt(repository, blob.digest)), 404, 'who asks now uploads it again');

  assert.equal((await putManifest(server, repository, '1.0', imageOf(blob, [blob]))).status, 201);

  assert.equal(await statusOf('HEAD', blobAt(repository, blob.digest)), 200);
  assert.equal(await collector.settleBlob(condemned), 'kept');
  assert.equal(await statusOf('GET', blobAt(repository, blob.digest)), 200);
});

test('a client that has seen a blob which is gone since is told so, and nothing of its push stays', async () => {
  const repository = 'library/gone-since';
  const blob = await pushBlob(server, repository, 'gone since');
  assert.equal(await statusOf('HEAD', blobAt(repository, blob.digest)), 200);
  assert.equal(await collector.settleBlob(await collector.condemnBlob(repository, blob.digest)), 'removed');
  const refused = await putManifest(server, repository, '1.0', imageOf(blob, [blob]));
  assert.deepEqual(refusalOf(refused), [400, 'MANIFEST_BLOB_UNKNOWN']);
  assert.equal(await statusOf('HEAD', manifestAt(repository, '1.0')), 404);
  await pushBlob(server, repository, 'gone since');
  assert.equal((await putManifest(server, repository, '1.0', imageOf(blob, [blob]))).status, 201);
  assert.equal(await statusOf('GET', blobAt(repository, blob.digest)), 200);
});

test('an upload of a condemned blob keeps it, whatever the collector has judged before', async () => {
  const repository = 'library/uploaded-again';
  const blob = await pushBlob(server, repository, 'uploaded again');
  const condemned = await collector.condemnBlob(repository, blob.digest);
  await pushBlob(server, repository, 'uploaded again');
  // No manifest needs it yet: only the upload has reprieved it.
  assert.equal(await collector.settleBlob(condemned), 'kept');
  assert.equal(await statusOf('HEAD', blobAt(repository, blob.digest)), 200);
  const again = await collector.condemnBlob(repository, blob.digest);
  assert.equal(await collector.settleBlob(condemned), 'kept', 'an outdated condemnation removes nothing');
  assert.equal(await collector.settleBlob(again), 'removed');
});

test('an upload that comes between the judgement and the removal keeps the blob', async () => {
  const repository = 'library/uploaded-late';
  const blob = await pushBlob(server, repository, 'uploaded late');
  const { settleBlob } = collector.phases({
    contents: {
      async neededBlobs(blobs) {
        const needed = await collector.contents.neededBlobs(blobs);
        await pushBlob(server, repository, 'uploaded late');
        return needed;
      },
    },
  });
  assert.equal(await settleBlob(await collector.condemnBlob(repository, blob.digest)), 'kept');
  assert.equal(await statusOf('GET', blobAt(repository, blob.digest)), 200);
});

test('a manifest that is pushed between the judgement and the removal keeps the blob', async () => {
  const repository = 'library/pushed-late';
  const blob = await pushBlob(server, repository, 'pushed late');
  const { settleBlob } = collector.phases({
    contents: {
      async neededBlobs(blobs) {
        const needed = await collector.contents.neededBlobs(blobs);
        assert.equal((await putManifest(server, repository, '1.0', imageOf(blob, [blob]))).status, 201);
        return needed;
      },
    },
  });
  assert.equal(await settleBlob(await collector.condemnBlob(repository, blob.digest)), 'kept');
  assert.equal(await statusOf('GET', blobAt(repository, blob.digest)), 200);
});

test('a late deletion of removed bytes does not reach those that were uploaded since', async () => {
  const repository = 'library/late-deletion';
  const blob = await pushBlob(server, repository, 'deleted late');
  const late: string[] = [];
  const { settleBlob } = collector.phases({ store: { delete: async (key) => void late.push(key) } });
  assert.equal(await settleBlob(await collector.condemnBlob(repository, blob.digest)), 'removed');
  await pushBlob(server, repository, 'deleted late');
  assert.equal(late.length, 1);
  for (const key of late) await collector.store.delete(key);
  assert.equal((await send(server, 'GET', blobAt(repository, blob.digest))).body.toString(), 'deleted late');
});

test('bytes whose deletion was recorded, by a collector that died before it, are swept', async () => {
  const repository = 'library/half-removed';
  const blob = await pushBlob(server, repository, 'half removed');
  const hex = blob.digest.slice('sha256:'.length);
  const { settleBlob } = collector.phases({ store: { delete: async () => assert.fail('kill -9') } });
  await assert.rejects(settleBlob(await collector.condemnBlob(repository, blob.digest)), /kill -9/);
  assert.equal(await statusOf('GET', blobAt(repository, blob.digest)), 404);
  assert.ok((await collector.keys()).some((key) => key.includes(hex)));

  await collector.collect({ orphanHours: 0 });

  assert.ok(!(await collector.keys()).some((key) => key.includes(hex)));
});

test('a blob that goes between the check of a push and its record makes the push fail, and nothing of it stays', async () => {
  const repository = 'library/checked-then-gone';
  const blob = await pushBlob(server, repository, 'checked, then gone');
  const image = manifestOf(imageOf(blob, [blob]));
  const pushing = collector.push(repository, image, {
    tags: ['1.0'],
    store: {
      async put(digest, source) {
        const condemned = await collector.condemnBlob(repository, blob.digest);
        assert.equal(await collector.settleBlob(condemned), 'removed');
        return collector.store.put(digest, source);
      },
    },
  });
  await assert.rejects(pushing, {
    reason: { kind: 'references-unknown', repository, digests: [blob.digest] },
  });
  for (const reference of ['1.0', image.digest])
    assert.equal(await statusOf('GET', manifestAt(repository, reference)), 404);
});

test('a push that fails does not take back what another one has pushed meanwhile, whole and without a tag', async () => {
  const repository = 'library/pushed-by-two';
  const blob = await pushBlob(server, repository, 'pushed by two');
  const image = manifestOf(imageOf(blob, [blob]));
  let looks = 0;
  const pushing = collector.push(repository, image, {
    store: {
      async put(digest, source) {
        const condemned = await collector.condemnBlob(repository, blob.digest);
        assert.equal(await collector.settleBlob(condemned), 'removed');
        return collector.store.put(digest, source);
      },
    },
    contents: {
      async blobs(of, digests) {
        const found = await collector.contents.blobs(of, digests);
        looks += 1;
        // The first has recorded the manifest, and is about to take it back.
        if (looks === 2) {
          await pushBlob(server, repository, 'pushed by two');
          assert.equal((await putManifest(server, repository, image.digest, image.manifest)).status, 201);
        }
        return found;
      },
    },
  });
  await assert.rejects(pushing, {
    reason: { kind: 'references-unknown', repository, digests: [blob.digest] },
  });
  assert.ok(looks > 2);
  for (const method of ['HEAD', 'GET'])
    assert.equal(await statusOf(method, manifestAt(repository, image.digest)), 200);
  assert.equal(await statusOf('GET', blobAt(repository, blob.digest)), 200);
});

test('a mount keeps the bytes whatever becomes of the repository that it was mounted from', async () => {
  const blob = await pushBlob(server, 'library/mounted-from', 'mounted');
  const condemned = await collector.condemnBlob('library/mounted-from', blob.digest);
  const mount = (from: string, to: string) =>
    send(server, 'POST', `/v2/${to}/blobs/uploads/?mount=${blob.digest}&from=${from}`);
  assert.equal(
    (await mount('library/mounted-from', 'library/too-late')).status,
    202,
    'it is condemned there',
  );
  assert.equal(await statusOf('HEAD', blobAt('library/too-late', blob.digest)), 404);
  await pushBlob(server, 'library/mounted-from', 'mounted');
  assert.equal(await collector.settleBlob(condemned), 'kept');

  assert.equal((await mount('library/mounted-from', 'library/mounted-to')).status, 201);
  const again = await collector.condemnBlob('library/mounted-from', blob.digest);
  assert.equal(await collector.settleBlob(again), 'removed');

  assert.equal(await statusOf('GET', blobAt('library/mounted-from', blob.digest)), 404);
  const read = await send(server, 'GET', blobAt('library/mounted-to', blob.digest));
  assert.deepEqual([read.status, read.body.toString()], [200, 'mounted']);
});

test('a manifest that is tagged again while it is condemned stays', async () => {
  const repository = 'library/tagged-again';
  const { digest, manifest } = await pushImage(server, repository, 'latest', 'first');
  await pushImage(server, repository, 'latest', 'second');
  const condemned = await collector.condemnManifest(repository, digest);
  const tagged = await send(server, 'PUT', `${manifestAt(repository, digest)}?tag=stable`, {
    headers: { 'content-type': mediaTypes.image },
    body: manifest,
  });
  assert.equal(tagged.status, 201);
  assert.equal(await collector.settleManifest(condemned), 'kept');
  assert.equal(await statusOf('GET', manifestAt(repository, 'stable')), 200);
});

test('a manifest that is tagged between the judgement and the removal is there under its tag', async () => {
  const repository = 'library/tagged-late';
  const { digest, manifest } = await pushImage(server, repository, 'latest', 'first');
  await send(server, 'DELETE', manifestAt(repository, 'latest'));
  const { settleManifest } = collector.phases({
    contents: {
      async neededManifests(manifests) {
        const needed = await collector.contents.neededManifests(manifests);
        assert.equal((await putManifest(server, repository, 'stable', manifest)).status, 201);
        return needed;
      },
    },
  });
  assert.equal(await settleManifest(await collector.condemnManifest(repository, digest)), 'kept');
  assert.equal(await statusOf('GET', manifestAt(repository, 'stable')), 200);
});

test('a manifest that goes between its push and its tag is pushed once more', async () => {
  const repository = 'library/gone-before-its-tag';
  const blob = await pushBlob(server, repository, 'needed by a manifest that goes');
  await putManifest(server, repository, 'other', imageOf(blob, [blob], { annotations: { mark: 'other' } }));
  const image = manifestOf(imageOf(blob, [blob]));
  let attempts = 0;
  await collector.push(repository, image, {
    tags: ['1.0'],
    contents: {
      async blobs(of, digests) {
        const found = await collector.contents.blobs(of, digests);
        const isRecorded = (await collector.contents.manifests(repository, [image.digest as never])).size > 0;
        if (isRecorded && attempts++ === 0) {
          const condemned = await collector.condemnManifest(repository, image.digest);
          assert.equal(await collector.settleManifest(condemned), 'removed');
        }
        return found;
      },
    },
  });
  assert.equal(attempts, 2);
  const pulled = await send(server, 'GET', manifestAt(repository, '1.0'));
  assert.deepEqual([pulled.status, pulled.body.toString()], [200, image.manifest]);
});

test('a pull that has begun ends well while what it reads is condemned', async () => {
  const repository = 'library/pulled';
  const { digest, blob } = await pushImage(server, repository, 'latest', 'pulled');
  await send(server, 'DELETE', manifestAt(repository, 'latest'));
  await collector.condemnManifest(repository, digest);
  assert.equal(await statusOf('GET', manifestAt(repository, digest)), 200);
  assert.equal(await statusOf('GET', blobAt(repository, blob.digest)), 200);
});

test('a referrer stays when its subject comes while it is condemned', async () => {
  const repository = 'library/subject-comes';
  const subject = await pushImage(server, 'library/subject-elsewhere', '1.0', 'subject comes');
  const blob = await pushBlob(server, repository, '{}');
  const descriptor = { mediaType: mediaTypes.image, digest: subject.digest, size: subject.manifest.length };
  const referrer = manifestOf(imageOf(blob, [blob], { subject: descriptor }));
  await putManifest(server, repository, referrer.digest, referrer.manifest);
  const condemned = await collector.condemnManifest(repository, referrer.digest);
  await putManifest(server, repository, '1.0', subject.manifest);
  assert.equal(await collector.settleManifest(condemned), 'kept');
  assert.equal(await statusOf('HEAD', manifestAt(repository, referrer.digest)), 200);
});

test('a manifest that loses its last tag just after it was kept is looked at again', async () => {
  const repository = 'library/kept-then-untagged';
  const { digest } = await pushImage(server, repository, 'latest', 'kept');
  const condemned = await collector.condemnManifest(repository, digest);
  assert.equal(await collector.settleManifest(condemned), 'kept');
  await send(server, 'DELETE', manifestAt(repository, 'latest'));
  await collector.collect();
  assert.equal(await statusOf('GET', manifestAt(repository, digest)), 404);
});

test('what a manifest of an unknown type mentions stays', async () => {
  const repository = 'library/unknown-type';
  const blob = await pushBlob(server, repository, 'mentioned');
  const manifest = JSON.stringify({ anything: [{ digest: blob.digest }] });
  const type = 'application/vnd.example.unknown+json';
  assert.equal((await putManifest(server, repository, '1.0', manifest, type)).status, 201);
  await collector.collect();
  assert.equal(await statusOf('HEAD', blobAt(repository, blob.digest)), 200);
});

test('a second collector finds the first at work, and says so', async () => {
  const inside = Promise.withResolvers<void>();
  const blocked = Promise.withResolvers<void>();
  const first = aloneIn(
    collector.database,
    'collect-garbage',
  )(async () => {
    inside.resolve();
    await blocked.promise;
  });
  await inside.promise;
  assert.equal(await collector.run(), undefined);
  const second = await server.run('gc');
  assert.deepEqual([second.code, second.output], [2, 'another collector of garbage is at work\n']);
  blocked.resolve();
  await first;
  assert.equal((await collector.run())?.status, 'completed');
});

test('two collectors at once, without their lock, do no harm', async () => {
  const repository = 'library/two-collectors';
  const kept = await pushImage(server, repository, '1.0', 'kept');
  const blobs = await Promise.all(
    Array.from({ length: 40 }, (_, index) => pushBlob(server, repository, `garbage ${index}`)),
  );
  const runs = await Promise.all([collector.collect(), collector.collect(), collector.collect()]);
  const removed = runs.flat().filter(({ deed, kind }) => deed === 'removed' && kind === 'blob');
  for (const { digest } of blobs)
    assert.equal(removed.filter((finding) => finding.digest === digest).length, 1, 'one has removed it');
  for (const { digest } of blobs) assert.equal(await statusOf('GET', blobAt(repository, digest)), 404);
  assert.equal(await statusOf('GET', manifestAt(repository, '1.0')), 200);
  assert.equal(await statusOf('GET', blobAt(repository, kept.blob.digest)), 200);
});

test('a run that is stopped says so, and the next one goes on', async () => {
  const repository = 'library/stopped';
  const { digest } = await pushBlob(server, repository, 'for the next run');
  assert.equal((await collector.run({}, AbortSignal.abort()))?.status, 'stopped');
  assert.equal(await statusOf('HEAD', blobAt(repository, digest)), 200);
  assert.equal((await collector.run())?.status, 'completed');
  assert.equal(await statusOf('GET', blobAt(repository, digest)), 404);
});

test('a collector that has lost its lock is told so, before or while another one begins', async () => {
  const name = 'collector-that-is-cut-off';
  const alone = aloneIn(collector.database, name);
  const holding = alone((lost) => once(lost, 'abort').then(() => 'was told'));
  const holder = `FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND (classid::bigint << 32 | objid::bigint) = hashtextextended('shiplog.work.' || $1, 0)`;
  await until('the lock is held', async () => {
    const { rows } = await collector.database.pool.query(`SELECT pid ${holder}`, [name]);
    return rows.length === 1;
  });
  assert.equal(await alone(async () => 'both'), undefined);
  await collector.database.pool.query(`SELECT pg_terminate_backend(pid) ${holder}`, [name]);
  assert.equal(await holding, 'was told');
  assert.equal(await alone(async () => 'the next one'), 'the next one');
});
