import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { CollectGarbage, Finding } from '../../commands/garbage.ts';
import { startServer } from '../server.ts';
import { digestOf, imageOf, mediaTypes, pushBlob, pushImage, putManifest, send } from './client.ts';
import { openCollector } from './collector.ts';

const server = await startServer({ after });
const collector = await openCollector({ after }, server);

/** What is told of, whenever. With which of its repositories the bytes of a blob go, hangs on that: only their sum counts. */
const told = (findings: readonly Finding[]) => ({
  findings: findings
    .map(({ deed, kind, repository, digest, why }) => [deed, kind, repository, digest, why].join(' '))
    .toSorted(),
  bytes: findings.filter(({ deed }) => deed === 'removed').reduce((sum, { bytes }) => sum + bytes, 0),
});

const untag = async (repository: string, tag: string) => {
  const { status } = await send(server, 'DELETE', `/v2/${repository}/manifests/${tag}`);
  assert.equal(status, 202);
};

/** An index of two platforms, one of which is signed, and the bytes of one layer in two repositories. */
async function pushAll(repository: string, mark: string): Promise<void> {
  const layer = await pushBlob(server, repository, `a layer of ${mark}`);
  await pushBlob(server, `${repository}-copy`, `a layer of ${mark}`);
  const children = [];
  for (const platform of ['arm64', 'amd64']) {
    const own = await pushBlob(server, repository, `${platform} of ${mark}`);
    const manifest = imageOf(own, [layer, own]);
    const digest = digestOf(manifest);
    assert.equal((await putManifest(server, repository, digest, manifest)).status, 201);
    children.push({ mediaType: mediaTypes.image, digest, size: manifest.length });
  }
  const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: children });
  assert.equal((await putManifest(server, repository, 'all', index, mediaTypes.index)).status, 201);
  const signature = await pushBlob(server, repository, `signature of ${mark}`);
  const signed = imageOf(signature, [signature], { subject: children[0], artifactType: 'application/x.s' });
  assert.equal((await putManifest(server, repository, digestOf(signed), signed)).status, 201);
  await pushBlob(server, repository, `nobody needs this of ${mark}`);
}

const settingsOf: Readonly<Record<string, Partial<CollectGarbage>>> = {
  'all at once': {},
  'all at once, but no manifests': { untagged: false },
  'condemnations alone': { delayHours: 1 },
  'with graces that are not over': { graceHours: 1, untaggedGraceHours: 1 },
  'with a grace for blobs alone': { graceHours: 1 },
  'with a grace for manifests alone': { untaggedGraceHours: 1 },
};

for (const [name, settings] of Object.entries(settingsOf))
  test(`a dry run says what the run then does: ${name}`, async () => {
    const repository = `library/${name.replaceAll(/\W+/g, '-')}`;
    await pushAll(repository, name);
    await untag(repository, 'all');
    await pushImage(server, `${repository}-kept`, '1.0', name);
    const before = await collector.log.head();

    const foreseen = await collector.foresee(settings);

    assert.deepEqual(await collector.deedsAfter(before), [], 'it changes nothing');
    const done = await collector.collect(settings);
    assert.deepEqual(told(foreseen), told(done));
    // What was condemned goes or stays in the next run, and that is foreseen as well.
    const next = { ...settings, delayHours: 0 };
    const foreseenNext = await collector.foresee(next);
    assert.deepEqual(told(foreseenNext), told(await collector.collect(next)));
    if (settings.graceHours === undefined && settings.untagged !== false)
      assert.ok([...done, ...foreseenNext].some(({ deed }) => deed === 'removed'));
    const { status } = await send(server, 'GET', `/v2/${repository}-kept/manifests/1.0`);
    assert.equal(status, 200);
  });

test('what would be gone in the end is told with the bytes, however young it is that falls with something', async () => {
  const repository = 'library/in-the-end';
  await pushAll(repository, 'the end');
  const kept = await collector.foresee({ toTheEnd: true, graceHours: 0, delayHours: 24 });
  assert.ok(!kept.some((finding) => finding.kind === 'manifest' && finding.repository === repository));
  await untag(repository, 'all');

  const young = await collector.foresee({ toTheEnd: true, untaggedGraceHours: 1 });
  assert.ok(!young.some((finding) => finding.kind === 'manifest' && finding.repository === repository));
  const all = await collector.foresee({ toTheEnd: true, graceHours: 1, delayHours: 24 });

  const own = all.filter((finding) => finding.repository === repository);
  assert.deepEqual([...new Set(own.map(({ deed }) => deed))], ['removed']);
  assert.equal(own.filter(({ kind }) => kind === 'manifest').length, 4, 'index, children, signature');
  // The layer is held by another repository still, and the blob that nobody needs has its grace.
  const blobs = own.filter(({ kind }) => kind === 'blob');
  assert.deepEqual(
    blobs.map(({ bytes }) => bytes).toSorted((one, other) => one - other),
    [0, 16, 16, 20],
  );
});

test('a run that is stopped between two batches leaves the rest to the next one, which takes it', async () => {
  await collector.collect();
  const repository = 'library/stopped';
  const contents = Array.from({ length: 300 }, (_, index) => `stopped ${index}`);
  await collector.storeBlobs(repository, contents);
  const stopping = new AbortController();
  let removed = 0;

  const run = await collector.run({}, stopping.signal, {
    workers: 1,
    onFinding({ deed }) {
      if (deed === 'removed' && ++removed === 120) stopping.abort();
    },
  });

  assert.equal(run?.status, 'stopped');
  assert.ok(run.blobs >= 120 && run.blobs < 300, `${run.blobs} were removed`);
  const next = await collector.run();
  assert.equal(next?.status, 'completed');
  assert.equal(run.blobs + next.blobs, 300);
  assert.deepEqual(
    (await collector.keys()).filter((key) => key.includes(digestOf('stopped 0').slice(7))),
    [],
  );
});

test('a run tells how far it is, of how many, and of how many bytes', async () => {
  await collector.storeBlobs('library/measured', ['one of two', 'two of two']);
  await collector.run({ delayHours: 1 });
  const told: string[] = [];
  await collector.run({}, undefined, {
    onProgress: ({ stage, done, total, bytes, totalBytes }) =>
      void told.push(`${stage} ${done} of ${total}, ${bytes} of ${totalBytes}`),
  });
  assert.ok(told.includes('removing blobs 2 of 2, 20 of 20'), told.join('\n'));
  assert.ok(told.some((line) => /^condemning blobs \d+ of \d+,/.test(line)));
  assert.ok(told.some((line) => /^sweeping stored bytes \d+ of \d+,/.test(line)));
});
