import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import type { Garbage } from '../../commands/garbage.ts';
import { startServer } from '../server.ts';
import { imageOf, pushBlob, pushImage, putManifest, send } from './client.ts';
import { type Changed, openCollector } from './collector.ts';

const server = await startServer({ after });
const collector = await openCollector({ after }, server);
const { garbage, contents } = collector;

const manifestAt = (repository: string, reference: string) => `/v2/${repository}/manifests/${reference}`;
const deedOf: Readonly<Record<string, string>> = {
  BlobCondemned: 'condemned blob',
  ManifestCondemned: 'condemned manifest',
  BlobReprieved: 'reprieved blob',
  ManifestReprieved: 'reprieved manifest',
  BlobUnlinked: 'removed blob',
  ManifestDeleted: 'removed manifest',
};

/** A run with something else in between; resolves to what it tells, after a look whether its events say the same. */
async function collectMeanwhile(
  changed: Changed & { readonly garbage?: Partial<Garbage> },
  { delayHours = 1 } = {},
): Promise<string[]> {
  const correlationId = randomUUID();
  const findings = await collector.collect({ delayHours }, { ...changed, correlationId });
  const deeds = findings.map(({ deed, kind }) => `${deed} ${kind}`);
  const recorded: string[] = [];
  let bytes = 0;
  for await (const events of collector.log.readAll(0n)) {
    for (const { type, data, metadata } of events) {
      if (metadata.correlationId !== correlationId) continue;
      const deed = deedOf[type];
      if (deed !== undefined) recorded.push(deed);
      if (type === 'BlobDeleted' || type === 'ManifestDeleted')
        bytes += (data as { readonly size: number }).size;
    }
  }
  assert.deepEqual(deeds, recorded, 'it tells what it has recorded, in this order');
  const told = findings.filter(({ deed }) => deed === 'removed').reduce((sum, each) => sum + each.bytes, 0);
  assert.equal(told, bytes);
  return deeds;
}

/** `work` is done once, after the question was answered. */
function before<Args extends unknown[], Answer>(
  ask: (...args: Args) => Promise<Answer>,
  work: (answer: Answer) => Promise<unknown>,
): (...args: Args) => Promise<Answer> {
  let times = 0;
  return async (...args) => {
    const answer = await ask(...args);
    if (times++ === 0) await work(answer);
    return answer;
  };
}

test('a blob that goes before its condemnation is not told, one that comes to be needed as condemned and kept', async () => {
  const repository = 'library/told-blobs';
  const [gone, needed] = [
    await pushBlob(server, repository, 'goes meanwhile'),
    await pushBlob(server, repository, 'is needed meanwhile'),
  ];
  const deeds = await collectMeanwhile({
    garbage: {
      unneededBlobs: before(garbage.unneededBlobs, async () => {
        await send(server, 'DELETE', `/v2/${repository}/blobs/${gone.digest}`);
        await putManifest(server, repository, '1.0', imageOf(needed, [needed]));
      }),
    },
  });
  assert.deepEqual(deeds, ['condemned blob', 'reprieved blob']);
});

test('a manifest that goes before its condemnation is not told, one that is tagged as condemned and kept', async () => {
  const repository = 'library/told-manifests';
  const images = await Promise.all(
    ['goes', 'is tagged'].map((mark) => pushImage(server, repository, mark.replace(' ', '-'), mark)),
  );
  for (const tag of ['goes', 'is-tagged']) await send(server, 'DELETE', manifestAt(repository, tag));
  const [gone, tagged] = images;
  const deeds = await collectMeanwhile({
    contents: {
      neededManifests: before(contents.neededManifests, async () => {
        await send(server, 'DELETE', manifestAt(repository, gone?.digest ?? ''));
        await putManifest(server, repository, '1.0', tagged?.manifest ?? '');
      }),
    },
  });
  assert.deepEqual(deeds, ['condemned manifest', 'reprieved manifest']);
});

test('what an upload or a push has kept, or another collector removed, is told by nobody else', async () => {
  const repository = 'library/told-once';
  const kept = await pushBlob(server, repository, 'uploaded again');
  await pushBlob(server, repository, 'removed by another');
  const image = await pushImage(server, repository, '1.0', 'removed by another');
  await send(server, 'DELETE', manifestAt(repository, '1.0'));
  assert.equal((await collectMeanwhile({})).length, 3);
  const others: string[] = [];
  const deeds = await collectMeanwhile(
    {
      garbage: {
        condemnedManifests: before(garbage.condemnedManifests, async ({ items }) => {
          assert.deepEqual(
            items.map(({ digest }) => digest),
            [image.digest],
          );
          others.push(String(await collector.settleManifest(items)));
        }),
        condemnedBlobs: before(garbage.condemnedBlobs, async ({ items }) => {
          assert.equal(items.length, 2);
          await pushBlob(server, repository, 'uploaded again');
          for (const item of items) others.push(String(await collector.settleBlob([item])));
        }),
        unneededBlobs: async () => ({ items: [], next: undefined, seen: 0 }),
      },
    },
    { delayHours: 0 },
  );
  assert.deepEqual(others.toSorted(), ['kept', 'removed', 'removed']);
  assert.deepEqual(deeds, []);
  assert.equal((await send(server, 'HEAD', `/v2/${repository}/blobs/${kept.digest}`)).status, 200);
});
