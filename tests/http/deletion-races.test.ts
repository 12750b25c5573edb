import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { ask } from './api-client.ts';
import { digestOf, imageOf, mediaTypes, pushBlob, pushImage, putManifest, send } from './client.ts';
import { openCollector } from './collector.ts';

const server = await startServer({ after });
const collector = await openCollector({ after }, server);

const manifestAt = (repository: string, reference: string) => `/v2/${repository}/manifests/${reference}`;
const statusOf = async (method: string, path: string) => (await send(server, method, path)).status;

test('a deletion that another one overtakes leaves alone what is pushed after that', async () => {
  const repository = 'library/deleted-twice';
  const { digest, manifest } = await pushImage(server, repository, '1.0', 'deleted twice');
  let steps = 0;
  /** Does what others do: the first deletes, after the second has found something to delete, then comes a push. */
  async function meanwhile(): Promise<void> {
    steps += 1;
    if (steps === 1) assert.equal(await statusOf('DELETE', manifestAt(repository, digest)), 202);
    if (steps === 2) assert.equal((await putManifest(server, repository, '1.0', manifest)).status, 201);
  }

  const wasThere = await collector.deleteManifest(repository, digest, {
    contents: {
      async manifests(of, digests) {
        if (steps > 0) await meanwhile();
        const found = await collector.contents.manifests(of, digests);
        if (steps === 0) await meanwhile();
        return found;
      },
      async tagsOf(of, child, limit) {
        await meanwhile();
        return collector.contents.tagsOf(of, child, limit);
      },
    },
  });

  assert.ok(wasThere && steps >= 2);
  for (const reference of ['1.0', digest]) {
    const pulled = await send(server, 'GET', manifestAt(repository, reference));
    assert.deepEqual([pulled.status, pulled.body.toString()], [200, manifest], reference);
  }
});

for (const [what, isRefused] of [
  ['deleted while it is tagged is tagged once more, under the same condition', false],
  ['tagged and deleted does not take its tag from a push that came to set it since', true],
] as const) {
  test(`a manifest that is ${what}`, async () => {
    const repository = `library/conditional-${isRefused}`;
    const blob = await pushBlob(server, repository, '{}');
    const [manifest, other] = ['first', 'second'].map((mark) =>
      imageOf(blob, [blob], { annotations: { mark } }),
    );
    assert.ok(manifest !== undefined && other !== undefined);
    const digest = digestOf(manifest);
    let attempts = 0;
    const pushing = collector.push(
      repository,
      { manifest, digest },
      {
        tags: ['1.0'],
        condition: { kind: 'absent' },
        contents: {
          // Whether the manifest is still there is asked when the tag is set.
          async manifests(of, digests) {
            if (digests.length > 0 && attempts++ === 0) {
              assert.equal(await statusOf('DELETE', manifestAt(repository, digest)), 202);
              if (isRefused) assert.equal((await create(other)).status, 201);
            }
            return collector.contents.manifests(of, digests);
          },
        },
      },
    );
    if (isRefused) {
      const reason = {
        kind: 'tag-condition-failed',
        repository,
        tag: '1.0',
        digest,
        current: digestOf(other),
      };
      await assert.rejects(pushing, { reason });
    } else await pushing;
    const pulled = await send(server, 'GET', manifestAt(repository, '1.0'));
    assert.equal(pulled.body.toString(), isRefused ? other : manifest);

    function create(manifest: string) {
      const headers = { 'content-type': mediaTypes.image, 'if-none-match': '*' };
      return send(server, 'PUT', manifestAt(repository, '1.0'), { headers, body: manifest });
    }
  });
}

/** A tag that points at nothing, since its push died, and that a deletion finds while the same is pushed again. */
async function deletionUnderPush(repository: string): Promise<{ readonly digest: string }> {
  const blob = await pushBlob(server, repository, '{}');
  const manifest = imageOf(blob, [blob]);
  const digest = digestOf(manifest);
  const removed = Promise.withResolvers<void>();
  let deleting: Promise<boolean> | undefined;
  let looks = 0;

  const dying = collector.push(
    repository,
    { manifest, digest },
    {
      tags: ['1.0'],
      contents: {
        // Asked once before and once after the manifest is recorded, and then comes the tag.
        async blobs(of, digests) {
          looks += 1;
          if (looks === 2) {
            deleting = deleteMeanwhile();
            await removed.promise;
          }
          return collector.contents.blobs(of, digests);
        },
        async manifests(of, digests) {
          if (digests.length > 0) throw new Error('kill -9');
          return collector.contents.manifests(of, digests);
        },
      },
    },
  );
  await assert.rejects(dying, /kill -9/);
  assert.equal(await deleting, true);
  return { digest };

  function deleteMeanwhile(): Promise<boolean> {
    let listings = 0;
    let pushes = 0;
    return collector.deleteManifest(repository, digest, {
      contents: {
        async tagsOf(of, child, limit) {
          // Where there are rules, all of them are looked at before.
          if (limit <= 500) listings += 1;
          if (listings === 2) {
            removed.resolve();
            await assert.rejects(dying);
          }
          return collector.contents.tagsOf(of, child, limit);
        },
        async manifests(of, digests) {
          const found = await collector.contents.manifests(of, digests);
          if (listings === 2 && found.size === 0 && pushes++ === 0)
            assert.equal((await putManifest(server, repository, '1.0', manifest)).status, 201);
          return found;
        },
      },
    });
  }
}

test('a tag without a manifest that a deletion removes never goes alone from under a push', async () => {
  const repository = 'library/tag-of-nothing';
  const { digest } = await deletionUnderPush(repository);
  for (const reference of ['1.0', digest])
    assert.equal(await statusOf('GET', manifestAt(repository, reference)), 404, reference);
});

test('a deletion leaves an immutable tag that points at nothing to a push of the same, and its manifest', async () => {
  const repository = 'library/immutable-tag-of-nothing';
  await protect('immutable-tag-of-nothing');
  const { digest } = await deletionUnderPush(repository);
  for (const reference of ['1.0', digest])
    assert.equal(await statusOf('GET', manifestAt(repository, reference)), 200, reference);
});

test('a tag that is taken back because its manifest went is set again for who pushes that meanwhile', async () => {
  const repository = 'library/created-under-push';
  await protect('created-under-push');
  const { digest, manifest } = await pushImage(server, repository, 'latest', 'created under a push');
  let looks = 0;
  const isThere = await collector.createTag(repository, digest, '1.0', {
    contents: {
      async manifests(of, digests) {
        looks += 1;
        // After the first look it is deleted, and after the tag has found nothing to point at, pushed with it.
        const found = looks === 2 ? new Map() : await collector.contents.manifests(of, digests);
        if (looks === 1) assert.equal(await statusOf('DELETE', manifestAt(repository, digest)), 202);
        if (looks === 2) assert.equal((await putManifest(server, repository, '1.0', manifest)).status, 201);
        return found;
      },
    },
  });
  assert.equal(isThere, true);
  assert.equal(await statusOf('GET', manifestAt(repository, '1.0')), 200);
});

/** Makes the tag 1.0 of a repository of the library immutable. */
async function protect(repository: string): Promise<void> {
  const body = {
    tag_selectors: [{ decoration: 'matches', pattern: '1.0' }],
    scope_selectors: { repository: [{ decoration: 'repoMatches', pattern: repository }] },
  };
  const created = await ask(server, 'POST', '/projects/library/immutabletagrules', { body });
  assert.equal(created.status, 201);
}
