import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { digestOf, mediaTypes, pushImage, putManifest, send } from './client.ts';
import { openCollector } from './collector.ts';

const server = await startServer({ after });
const collector = await openCollector({ after }, server);

const manifestAt = (repository: string, reference: string) => `/v2/${repository}/manifests/${reference}`;
const statusOf = async (method: string, path: string) => (await send(server, method, path)).status;
const indexOf = (...children: readonly { digest: string; manifest: string }[]): string =>
  JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: children.map(({ digest, manifest }) => ({
      mediaType: mediaTypes.image,
      digest,
      size: manifest.length,
    })),
  });
const manifestOf = (manifest: string) => ({ manifest, digest: digestOf(manifest) });

test('an index that lands while its children are condemned keeps them', async () => {
  const repository = 'library/late-index';
  const child = await pushImage(server, repository, 'child', 'late index');
  await send(server, 'DELETE', manifestAt(repository, 'child'));
  const condemned = await collector.condemnManifest(repository, child.digest);
  assert.equal(await statusOf('HEAD', manifestAt(repository, child.digest)), 404);
  const index = indexOf(child);
  assert.equal((await putManifest(server, repository, 'all', index, mediaTypes.index)).status, 201);
  assert.equal(await statusOf('HEAD', manifestAt(repository, child.digest)), 200);
  assert.equal(await collector.settleManifest(condemned), 'kept');
  assert.equal(await statusOf('GET', manifestAt(repository, child.digest)), 200);
});

test('an index whose child goes while it is pushed is refused, though an index may lack children', async () => {
  const repository = 'library/child-gone';
  const child = await pushImage(server, repository, 'child', 'child gone');
  await send(server, 'DELETE', manifestAt(repository, 'child'));
  const index = manifestOf(indexOf(child));
  const pushing = collector.push(repository, index, {
    tags: ['all'],
    store: {
      async put(digest, source) {
        const condemned = await collector.condemnManifest(repository, child.digest);
        assert.equal(await collector.settleManifest(condemned), 'removed');
        return collector.store.put(digest, source);
      },
    },
  });
  await assert.rejects(pushing, {
    reason: { kind: 'references-unknown', repository, digests: [child.digest] },
  });
  assert.equal(await statusOf('GET', manifestAt(repository, 'all')), 404);
  assert.equal(await statusOf('GET', manifestAt(repository, index.digest)), 404);
});

test('an index that lands between the judgement of its child and the removal keeps it', async () => {
  const repository = 'library/index-late';
  const child = await pushImage(server, repository, 'child', 'index late');
  await send(server, 'DELETE', manifestAt(repository, 'child'));
  const index = indexOf(child);
  const { settleManifest } = collector.phases({
    contents: {
      async neededManifests(manifests) {
        const needed = await collector.contents.neededManifests(manifests);
        assert.equal((await putManifest(server, repository, 'all', index, mediaTypes.index)).status, 201);
        return needed;
      },
    },
  });
  assert.equal(await settleManifest(await collector.condemnManifest(repository, child.digest)), 'kept');
  assert.equal(await statusOf('GET', manifestAt(repository, child.digest)), 200);
});

for (const [when, look] of [
  ['before anything of its deletion is recorded', 1],
  ['between the judgement and its deletion', 2],
] as const) {
  test(`a manifest that an index comes to name ${when} is not deleted`, async () => {
    const repository = `library/deleted-${look}`;
    const child = await pushImage(server, repository, 'child', `deleted ${look}`);
    const index = indexOf(child);
    let looks = 0;
    const deleting = collector.deleteManifest(repository, child.digest, {
      contents: {
        async parentOf(of, digest) {
          const found = await collector.contents.parentOf(of, digest);
          looks += 1;
          if (looks === look)
            assert.equal((await putManifest(server, repository, 'all', index, mediaTypes.index)).status, 201);
          return found;
        },
      },
    });
    await assert.rejects(deleting, {
      reason: { kind: 'manifest-referenced', digest: child.digest, by: digestOf(index) },
    });
    for (const method of ['HEAD', 'GET'])
      assert.equal(await statusOf(method, manifestAt(repository, child.digest)), 200);
  });
}
