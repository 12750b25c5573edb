import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { digestOf, imageOf, mediaTypes, pushBlob, pushImage, putManifest, send } from './client.ts';
import { openCollector } from './collector.ts';
import { eventsOf } from './server-log.ts';

const server = await startServer({ after });
const collector = await openCollector({ after }, server);

const manifestAt = (repository: string, reference: string) => `/v2/${repository}/manifests/${reference}`;
const blobAt = (repository: string, digest: string) => `/v2/${repository}/blobs/${digest}`;
const statusOf = async (method: string, path: string) => (await send(server, method, path)).status;

/** Pushes a manifest that refers to `subject`, and has a blob of its own. */
async function pushReferrer(repository: string, subject: { digest: string; manifest: string }, mark: string) {
  const blob = await pushBlob(server, repository, `signature ${mark}`);
  const descriptor = { mediaType: mediaTypes.image, digest: subject.digest, size: subject.manifest.length };
  const manifest = imageOf(blob, [blob], { subject: descriptor, artifactType: 'application/x.signature' });
  const digest = digestOf(manifest);
  assert.equal((await putManifest(server, repository, digest, manifest)).status, 201);
  return { digest, manifest, blob };
}

test('a blob that no manifest needs is collected after its grace, and not before', async () => {
  const repository = 'library/unneeded';
  const { digest } = await pushBlob(server, repository, 'nobody needs this');
  await collector.collect({ graceHours: 1 });
  assert.equal(await statusOf('HEAD', blobAt(repository, digest)), 200);

  const findings = await collector.collect();

  assert.equal(await statusOf('HEAD', blobAt(repository, digest)), 404);
  assert.equal(await statusOf('GET', blobAt(repository, digest)), 404);
  assert.ok(!(await collector.keys()).some((key) => key.includes(digest.slice('sha256:'.length))));
  const removed = findings.find((finding) => finding.digest === digest && finding.deed === 'removed');
  assert.deepEqual([removed?.kind, removed?.repository, removed?.bytes], ['blob', repository, 17]);
});

test('what a deleted manifest released has its grace from then on', async () => {
  const repository = 'library/released';
  const { digest, blob } = await pushImage(server, repository, '1.0');
  await collector.database.pool.query(
    `UPDATE blobs_v4.links SET touched_at = now() - interval '2 hours' WHERE repository = $1`,
    [repository],
  );
  await send(server, 'DELETE', manifestAt(repository, digest));
  await collector.collect({ graceHours: 1 });
  assert.equal(await statusOf('HEAD', blobAt(repository, blob.digest)), 200);
  await collector.database.pool.query(
    `UPDATE blobs_v4.released SET released_at = now() - interval '2 hours' WHERE repository = $1`,
    [repository],
  );
  await collector.collect({ graceHours: 1 });
  assert.equal(await statusOf('HEAD', blobAt(repository, blob.digest)), 404);
});

test('between its condemnation and its removal a blob is there for who reads it, and not for who asks whether it is', async () => {
  const repository = 'library/delayed';
  const { digest } = await pushBlob(server, repository, 'condemned');
  await collector.collect({ delayHours: 1 });
  await collector.collect({ delayHours: 1 });
  assert.equal(await statusOf('HEAD', blobAt(repository, digest)), 404);
  assert.equal(await statusOf('GET', blobAt(repository, digest)), 200);
  await collector.collect({ graceHours: 1, delayHours: 0 });
  assert.equal(await statusOf('GET', blobAt(repository, digest)), 404);
});

test('the bytes stay as long as another repository holds the blob', async () => {
  const bytes = 'shared by two';
  const { digest } = await pushBlob(server, 'library/first-of-two', bytes);
  const kept = await pushBlob(server, 'library/second-of-two', bytes);
  const manifest = imageOf(kept, [kept]);
  assert.equal((await putManifest(server, 'library/second-of-two', '1.0', manifest)).status, 201);

  const findings = await collector.collect();

  const removed = findings.find((finding) => finding.digest === digest && finding.deed === 'removed');
  assert.deepEqual([removed?.repository, removed?.bytes], ['library/first-of-two', 0]);
  assert.equal(await statusOf('GET', blobAt('library/first-of-two', digest)), 404);
  const read = await send(server, 'GET', blobAt('library/second-of-two', digest));
  assert.equal(read.body.toString(), bytes);
});

test('a manifest without a tag stays unless the operator wants it gone, and has its grace after its tag', async () => {
  const repository = 'library/untagged';
  const { digest, blob } = await pushImage(server, repository, '1.0', 'untagged');
  await collector.collect();
  assert.equal(await statusOf('HEAD', manifestAt(repository, '1.0')), 200);
  await send(server, 'DELETE', manifestAt(repository, '1.0'));
  await collector.collect({ untagged: false });
  await collector.collect({ untaggedGraceHours: 1 });
  assert.equal(await statusOf('HEAD', manifestAt(repository, digest)), 200);

  await collector.collect();

  assert.equal(await statusOf('GET', manifestAt(repository, digest)), 404);
  assert.equal(await statusOf('GET', blobAt(repository, blob.digest)), 404, 'its blob falls in the same run');
  assert.ok(!(await collector.keys()).some((key) => key.includes(digest.slice('sha256:'.length))));
});

test('an index keeps its children, and takes them along within one run', async () => {
  const repository = 'library/index';
  const children = await Promise.all(
    ['arm64', 'amd64'].map(async (mark) => {
      const { digest, manifest } = await pushImage(server, repository, `platform-${mark}`, mark);
      await send(server, 'DELETE', manifestAt(repository, `platform-${mark}`));
      return { mediaType: mediaTypes.image, digest, size: manifest.length };
    }),
  );
  const inner = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: children });
  await putManifest(server, repository, digestOf(inner), inner, mediaTypes.index);
  const nested = { mediaType: mediaTypes.index, digest: digestOf(inner), size: inner.length };
  const outer = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [nested] });
  await putManifest(server, repository, 'all', outer, mediaTypes.index);
  const all = [digestOf(outer), digestOf(inner), ...children.map(({ digest }) => digest)];

  await collector.collect();
  for (const digest of all) assert.equal(await statusOf('HEAD', manifestAt(repository, digest)), 200);
  await send(server, 'DELETE', manifestAt(repository, 'all'));
  await collector.collect();

  for (const digest of all) assert.equal(await statusOf('GET', manifestAt(repository, digest)), 404);
});

test('a chain of indexes that is deeper than a run goes down is gone after some more runs', async () => {
  const repository = 'library/chain';
  const { digest, manifest } = await pushImage(server, repository, 'bottom');
  await send(server, 'DELETE', manifestAt(repository, 'bottom'));
  let child = { mediaType: mediaTypes.image as string, digest, size: manifest.length };
  const chain = [digest];
  for (let depth = 0; depth < 150; depth += 1) {
    const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [child] });
    child = { mediaType: mediaTypes.index, digest: digestOf(index), size: index.length };
    assert.equal((await putManifest(server, repository, child.digest, index, mediaTypes.index)).status, 201);
    chain.push(child.digest);
  }
  const left = async () => {
    const statuses = await Promise.all(chain.map((each) => statusOf('GET', manifestAt(repository, each))));
    return statuses.filter((status) => status === 200).length;
  };

  await collector.collect();
  const after = await left();
  assert.ok(after > 0 && after < 151, `${after} are left`);
  await collector.collect();
  assert.equal(await left(), 0);
});

test('what refers to a manifest that is there stays, along a chain and from a child of an index', async () => {
  const repository = 'library/referrers';
  const image = await pushImage(server, repository, 'platform', 'child');
  const child = { mediaType: mediaTypes.image, digest: image.digest, size: image.manifest.length };
  const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [child] });
  await putManifest(server, repository, 'index', index, mediaTypes.index);
  await send(server, 'DELETE', manifestAt(repository, 'platform'));
  const sbom = await pushReferrer(repository, image, 'sbom');
  const signature = await pushReferrer(repository, sbom, 'signature of the sbom');

  await collector.collect();
  for (const { digest, blob } of [image, sbom, signature]) {
    assert.equal(await statusOf('HEAD', manifestAt(repository, digest)), 200);
    assert.equal(await statusOf('HEAD', blobAt(repository, blob.digest)), 200);
  }
  await send(server, 'DELETE', manifestAt(repository, 'index'));
  await collector.collect();

  for (const { digest, blob } of [image, sbom, signature]) {
    assert.equal(await statusOf('GET', manifestAt(repository, digest)), 404);
    assert.equal(await statusOf('GET', blobAt(repository, blob.digest)), 404);
  }
});

test('a referrer that comes before its subject, or outlives it, has a grace of its own', async () => {
  const repository = 'library/early-referrer';
  const image = await pushImage(server, 'library/elsewhere', '1.0', 'the subject');
  const early = await pushReferrer(repository, image, 'early');
  await collector.collect({ untaggedGraceHours: 1 });
  assert.equal(await statusOf('HEAD', manifestAt(repository, early.digest)), 200);
  await pushImage(server, repository, '1.0', 'the subject');
  await collector.collect();
  assert.equal(await statusOf('HEAD', manifestAt(repository, early.digest)), 200);

  await collector.database.pool.query(
    `UPDATE artifacts_v3.artifacts SET pushed_at = now() - interval '2 hours' WHERE repository = $1`,
    [repository],
  );
  await send(server, 'DELETE', manifestAt(repository, image.digest));
  await collector.collect({ untaggedGraceHours: 1 });
  assert.equal(
    await statusOf('HEAD', manifestAt(repository, early.digest)),
    200,
    'its subject went just now',
  );
  await collector.collect();
  assert.equal(await statusOf('HEAD', manifestAt(repository, early.digest)), 404);
});

test('stored bytes that no event names are swept when they are old enough', async () => {
  const { key } = await collector.store.put(
    digestOf('never recorded') as never,
    (async function* () {
      yield Buffer.from('never recorded');
    })(),
  );
  await collector.collect({ orphanHours: 1 });
  assert.ok((await collector.keys()).includes(key));
  const named = await pushImage(server, 'library/named', '1.0');

  const findings = await collector.collect({ orphanHours: 0, graceHours: 24 });

  const orphans = findings.filter(({ kind }) => kind === 'orphan');
  assert.deepEqual(
    orphans.map(({ digest, bytes }) => [digest, bytes]),
    [[digestOf('never recorded'), 14]],
  );
  assert.ok(!(await collector.keys()).includes(key));
  assert.equal(await statusOf('GET', blobAt('library/named', named.blob.digest)), 200);
  assert.equal(await statusOf('GET', manifestAt('library/named', '1.0')), 200);
});

test('the command line collects beside the server, and its events tell who removed what in which run', async () => {
  const repository = 'library/by-command';
  const { digest } = await pushBlob(server, repository, 'collected by a command');
  const before = await collector.log.head();
  const dry = await server.run(
    'gc',
    '--dry-run',
    '--grace',
    '0',
    '--delay',
    '0',
    '--untagged',
    '--orphans',
    '0',
  );
  assert.equal(dry.code, 0, dry.output);
  assert.match(
    dry.output,
    new RegExp(`would condemn blob ${repository}@${digest} \\(22 bytes\\): no manifest`),
  );
  assert.deepEqual(await collector.deedsAfter(before), [], 'a dry run records nothing');
  assert.equal(await statusOf('HEAD', blobAt(repository, digest)), 200);

  const ran = await server.run('gc', '--grace', '0', '--delay', '0');

  assert.equal(ran.code, 0, ran.output);
  assert.match(ran.output, /completed in .*: removed \d+ blobs, 0 manifests and 0 orphans, \d+ bytes/);
  assert.equal(await statusOf('GET', blobAt(repository, digest)), 404);
  const [last] = (await eventsOf(collector.log, `blob/${digest}`)).slice(-1);
  assert.equal(last?.type, 'BlobDeleted');
  assert.equal(last.metadata.actor, 'system');
  const run = await eventsOf(collector.log, `gc-run/${last.metadata.correlationId}`);
  assert.deepEqual(
    run.map(({ type, data }) => [type, data.graceHours, data.status]),
    [
      ['GarbageCollectionStarted', 0, undefined],
      ['GarbageCollectionFinished', undefined, 'completed'],
    ],
  );
});

test('the server collects by its schedule', async (t) => {
  const scheduled = await startServer(t, {
    environment: {
      SHIPLOG_GARBAGE_COLLECTION_SCHEDULE: '* * * * * *',
      SHIPLOG_GARBAGE_COLLECTION_GRACE_HOURS: '0',
      SHIPLOG_GARBAGE_COLLECTION_DELAY_HOURS: '0',
    },
  });
  const { digest } = await pushBlob(scheduled, 'library/scheduled', 'goes by itself');
  await until('the blob is gone', async () => {
    const answer = await send(scheduled, 'GET', blobAt('library/scheduled', digest));
    return answer.status === 404;
  });
  await until('a run is counted', async () => {
    const metrics = await (await scheduled.fetch('/metrics')).text();
    return /shiplog_gc_reclaimed_bytes_total 14/.test(metrics);
  });
  assert.equal(await scheduled.stop(), 0);
});
