import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, imageOf, mediaTypes, putManifest, send } from '../http/client.ts';
import { type Collector, openCollector } from '../http/collector.ts';
import { startServer, type TestServer } from '../server.ts';
import { seeded } from './oci-client.ts';

const rounds = Number(process.env.SHIPLOG_TEST_GARBAGE_ROUNDS ?? 12);
const actors = 8;
const actionsEach = 6;

const repositories = ['library/one', 'library/two'];
const contents = Array.from({ length: 5 }, (_, index) => `blob number ${index}`);
const tags = ['a', 'b', 'c'];

/** Two blobs each, so that every blob is in several. */
const images = Array.from({ length: 5 }, (_, index) => {
  const [config = '', layer = ''] = [contents[index], contents[(index + 1) % contents.length]];
  const manifest = imageOf(descriptorOf(config), [descriptorOf(layer)]);
  return { manifest, digest: digestOf(manifest), blobs: [config, layer] };
});

function descriptorOf(content: string) {
  return { mediaType: 'application/octet-stream', digest: digestOf(content), size: content.length };
}

test('however pushes, tags, deletions and the steps of a collector interleave, what can be reached is whole', async (t) => {
  const seed = Number(process.env.SHIPLOG_TEST_SEED ?? Date.now() % 2 ** 32);
  t.diagnostic(`SHIPLOG_TEST_SEED=${seed}`);
  const server = await startServer(t);
  const collector = await openCollector(t, server);
  const done = new Map<string, number>();

  for (let round = 0; round < rounds; round += 1) {
    await Promise.all(
      Array.from({ length: actors }, (_, actor) =>
        act(server, collector, seeded(seed + round * actors + actor), done),
      ),
    );
    await everythingIsWhole(server, collector, `round ${round} of SHIPLOG_TEST_SEED=${seed}`);
  }

  t.diagnostic(JSON.stringify(Object.fromEntries(done)));
  for (const name of ['push 201', 'collected', 'mount true'])
    assert.ok((done.get(name) ?? 0) > 0, `${name} has happened: ${JSON.stringify([...done])}`);
  assert.equal((await server.run('verify')).code, 0);
});

/** One client or collector for one round. Whatever it condemns, needed or not, it settles some actions later. */
async function act(
  server: TestServer,
  collector: Collector,
  random: () => number,
  done: Map<string, number>,
): Promise<void> {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const count = (name: string, times = 1) => done.set(name, (done.get(name) ?? 0) + times);
  const settling: (() => Promise<void>)[] = [];

  const actions: (() => Promise<void>)[] = [
    async () => {
      const [repository, image, tag] = [pick(repositories), pick(images), pick(tags)];
      for (const blob of image.blobs) {
        const known = await send(server, 'HEAD', `/v2/${repository}/blobs/${digestOf(blob)}`);
        if (known.status === 404) await upload(server, repository, blob);
      }
      const reference = random() < 0.7 ? tag : image.digest;
      const answer = await putManifest(server, repository, reference, image.manifest);
      assert.ok([201, 400].includes(answer.status), `${answer.status} ${answer.body}`);
      if (answer.status === 400) assert.match(answer.body.toString(), /MANIFEST_BLOB_UNKNOWN/);
      count(`push ${answer.status}`);
    },
    () => upload(server, pick(repositories), pick(contents)),
    async () => {
      const [from = '', to = ''] = random() < 0.5 ? repositories : repositories.toReversed();
      count(`mount ${await collector.mount(to, digestOf(pick(contents)), from)}`);
    },
    async () => {
      const [repository, image] = [pick(repositories), pick(images)];
      const answer = await send(
        server,
        'PUT',
        `/v2/${repository}/manifests/${image.digest}?tag=${pick(tags)}`,
        {
          headers: { 'content-type': mediaTypes.image },
          body: image.manifest,
        },
      );
      assert.ok([201, 400].includes(answer.status), `${answer.status} ${answer.body}`);
      count(`tag ${answer.status}`);
    },
    async () => {
      const reference = random() < 0.7 ? pick(tags) : pick(images).digest;
      const answer = await send(server, 'DELETE', `/v2/${pick(repositories)}/manifests/${reference}`);
      assert.ok([202, 404].includes(answer.status), `${answer.status} ${answer.body}`);
      count(`delete ${answer.status}`);
    },
    async () => {
      const answer = await send(
        server,
        'DELETE',
        `/v2/${pick(repositories)}/blobs/${digestOf(pick(contents))}`,
      );
      assert.ok([202, 404, 409].includes(answer.status), `${answer.status} ${answer.body}`);
      count(`delete blob ${answer.status}`);
    },
    async () => {
      const condemned = await collector.condemnBlob(pick(repositories), digestOf(pick(contents)));
      settling.push(async () => void count(`settle blob ${await collector.settleBlob(condemned)}`));
    },
    async () => {
      const condemned = await collector.condemnManifest(pick(repositories), pick(images).digest);
      settling.push(async () => void count(`settle manifest ${await collector.settleManifest(condemned)}`));
    },
    async () => {
      const findings = await collector.collect();
      count('collected', findings.filter(({ deed }) => deed === 'removed').length);
    },
  ];

  for (let each = 0; each < actionsEach; each += 1) {
    await pick(actions)();
    if (random() < 0.5) await settling.shift()?.();
  }
  for (const settle of settling) await settle();
}

async function upload(server: TestServer, repository: string, content: string): Promise<void> {
  const path = `/v2/${repository}/blobs/uploads/?digest=${digestOf(content)}`;
  const answer = await send(server, 'POST', path, { body: content });
  assert.equal(answer.status, 201, answer.body.toString());
}

/** Each manifest that the views name can be read, with all that it needs, and each tag points at one of them. */
async function everythingIsWhole(server: TestServer, { database }: Collector, when: string): Promise<void> {
  const manifests = await database.pool.query('SELECT repository, digest FROM artifacts_v3.artifacts');
  for (const { repository, digest } of manifests.rows) {
    const manifest = await send(server, 'GET', `/v2/${repository}/manifests/${digest}`);
    assert.equal(manifest.status, 200, `${repository}@${digest} in ${when}`);
    const { config, layers } = JSON.parse(manifest.body.toString()) as {
      config: { digest: string };
      layers: { digest: string }[];
    };
    for (const blob of [config, ...layers]) {
      const read = await send(server, 'GET', `/v2/${repository}/blobs/${blob.digest}`);
      assert.equal(read.status, 200, `${blob.digest} of ${repository}@${digest} in ${when}`);
      assert.equal(digestOf(read.body), blob.digest);
    }
  }
  const { rows } = await database.pool.query('SELECT repository, tag FROM tags_v2.tags');
  for (const { repository, tag } of rows) {
    const { status } = await send(server, 'GET', `/v2/${repository}/manifests/${tag}`);
    assert.equal(status, 200, `${repository}:${tag} in ${when}`);
  }
}
