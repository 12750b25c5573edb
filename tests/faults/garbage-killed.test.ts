import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { digestOf, imageOf, pushBlob, pushImage, putManifest, refusalOf, send } from '../http/client.ts';
import { openCollector } from '../http/collector.ts';
import { environmentFor, startServer } from '../server.ts';
import { until } from '../until.ts';
import { queryPostgres } from './postgres-of.ts';

const program = new URL('../../bin/shiplog.ts', import.meta.url).pathname;
const blobs = 10_000;
const kills = 5;

test('a collector of ten thousand blobs that is killed five times while clients push takes in the end what it should, and nothing else', async (t) => {
  const server = await startServer(t);
  const collector = await openCollector(t, server);
  const repository = 'library/collected';
  const kept = await pushImage(server, repository, '1.0', 'kept');
  const shared = 'garbage 7';
  await pushBlob(server, 'library/holds-one', shared);
  await collector.storeBlobs(
    repository,
    Array.from({ length: blobs }, (_, index) => `garbage ${index}`),
  );
  const countOf = async (type: string): Promise<number> => {
    const statement = `SELECT count(*)::int AS count FROM event_log.events WHERE type = '${type}'`;
    const [row] = await queryPostgres(server.dataDirectory, 'shiplog_log', statement);
    return Number(row?.count);
  };
  const pushing = new AbortController();
  const pushed = pushUntil(pushing.signal);
  const gc = ['gc', '--grace', '0', '--delay', '0', '--untagged', '--workers', '10'];

  for (let kill = 0; kill < kills; kill += 1) {
    const child = spawn(process.execPath, [program, ...gc], {
      env: environmentFor(server.dataDirectory),
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    // Among the condemnations at first, and then among the removals.
    const type = kill < 2 ? 'BlobCondemned' : 'BlobDeleted';
    const before = await countOf(type);
    await until(`further ${type}`, async () => (await countOf(type)) >= before + 800, 60_000);
    child.kill('SIGKILL');
    const [code] = await ended;
    assert.equal(code, null, 'it was at work until then');
  }
  pushing.abort();
  const images = await pushed;
  const result = await server.run(...gc, '--orphans', '0');

  assert.equal(result.code, 0, result.output);
  assert.equal(await countOf('GarbageCollectionStarted'), kills + 1);
  assert.equal(await countOf('GarbageCollectionFinished'), 1);
  assert.ok(images.length > kills, `${images.length} pushes were acknowledged`);
  for (const { tag, digest, blob } of [...images, { tag: '1.0', ...kept }]) {
    const manifest = await send(server, 'GET', `/v2/${repository}/manifests/${tag}`);
    assert.deepEqual([manifest.status, digestOf(manifest.body)], [200, digest], tag);
    const read = await send(server, 'GET', `/v2/${repository}/blobs/${blob.digest}`);
    assert.deepEqual([read.status, digestOf(read.body)], [200, blob.digest]);
  }
  const expected = new Set([kept, ...images].flatMap(({ digest, blob }) => [digest, blob.digest]));
  const hexes = [...expected].map((digest) => digest.slice('sha256:'.length));
  const keys = await collector.keys();
  assert.deepEqual(keys.map((key) => key.split('/')[2]).toSorted(), hexes.toSorted(), 'the stored bytes');
  const { rows } = await collector.database.pool.query('SELECT count(*)::int AS links FROM blobs_v4.links');
  assert.equal(rows[0]?.links, 1 + images.length, 'one of each image, and no other');
  assert.equal((await server.run('verify')).code, 0);

  /** Pushes images that have a blob of their own which was garbage before, or is new. */
  async function pushUntil(stopping: AbortSignal) {
    const images = [];
    for (let each = 0; !stopping.aborted; each += 1) {
      const tag = `pushed-${each}`;
      const image = await pushImageOf(each % 2 === 0 ? `garbage ${each * 97}` : `new ${each}`, tag);
      images.push({ tag, ...image });
    }
    return images;
  }

  /** A client begins again where what it has just pushed was taken. */
  async function pushImageOf(content: string, tag: string) {
    for (let attempt = 1; ; attempt += 1) {
      const blob = await pushBlob(server, repository, content);
      const manifest = imageOf(blob, [blob], { annotations: { tag } });
      const answer = await putManifest(server, repository, tag, manifest);
      if (answer.status === 201) return { digest: digestOf(manifest), blob };
      assert.deepEqual(refusalOf(answer), [400, 'MANIFEST_BLOB_UNKNOWN']);
      assert.ok(attempt < 50, 'a push gets through at last');
    }
  }
});

test('without a server the collector brings the views up to date itself, and sweeps what a crash has left', async (t) => {
  const server = await startServer(t);
  const { digest } = await pushBlob(server, 'library/no-server', 'nobody needs it');
  const kept = await pushImage(server, 'library/no-server', '1.0');
  assert.equal(await server.stop('SIGKILL'), null);

  const result = await server.run('gc', '--grace', '0', '--delay', '0', '--orphans', '0');

  assert.equal(result.code, 0, result.output);
  assert.match(result.output, /completed in .*: removed 1 blobs, 0 manifests and 0 orphans, 15 bytes/);
  await server.start();
  assert.equal((await send(server, 'GET', `/v2/library/no-server/blobs/${digest}`)).status, 404);
  assert.equal((await send(server, 'GET', '/v2/library/no-server/manifests/1.0')).status, 200);
  assert.equal((await send(server, 'GET', `/v2/library/no-server/blobs/${kept.blob.digest}`)).status, 200);
});
