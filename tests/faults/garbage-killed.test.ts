import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { digestOf, pushBlob, pushImage, send } from '../http/client.ts';
import { openCollector } from '../http/collector.ts';
import { environmentFor, startServer } from '../server.ts';
import { until } from '../until.ts';
import { queryPostgres } from './postgres-of.ts';

const program = new URL('../../bin/shiplog.ts', import.meta.url).pathname;
const blobs = 240;
const kills = 3;

test('a collector that is killed again and again leaves nothing that the next run does not take, and nothing broken', async (t) => {
  const server = await startServer(t);
  const collector = await openCollector(t, server);
  const repository = 'library/collected';
  const kept = await pushImage(server, repository, '1.0', 'kept');
  for (let each = 0; each < blobs; each += 20)
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => pushBlob(server, repository, `garbage ${each + index}`)),
    );
  const countOf = async (type: string): Promise<number> => {
    const statement = `SELECT count(*)::int AS count FROM event_log.events WHERE type = '${type}'`;
    const [row] = await queryPostgres(server.dataDirectory, 'shiplog_log', statement);
    return Number(row?.count);
  };

  for (let kill = 1; kill <= kills; kill += 1) {
    const child = spawn(process.execPath, [program, 'gc', '--grace', '0', '--delay', '0', '--untagged'], {
      env: environmentFor(server.dataDirectory),
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    // Some among the condemnations, and some among the removals.
    const [type, enough] = kill % 2 === 1 ? ['BlobCondemned', kill * 40] : ['BlobDeleted', 40];
    await until(`${enough} ${type}`, async () => (await countOf(type)) >= enough || child.exitCode !== null);
    child.kill('SIGKILL');
    await ended;
  }
  const result = await server.run('gc', '--grace', '0', '--delay', '0', '--untagged', '--orphans', '0');

  assert.equal(result.code, 0, result.output);
  assert.ok(
    (await countOf('GarbageCollectionFinished')) < (await countOf('GarbageCollectionStarted')),
    'a run was cut short',
  );
  for (let each = 0; each < blobs; each += 61) {
    const { status } = await send(server, 'GET', `/v2/${repository}/blobs/${digestOf(`garbage ${each}`)}`);
    assert.equal(status, 404);
  }
  const hexes = [kept.digest, kept.blob.digest].map((digest) => digest.slice('sha256:'.length));
  const keys = await collector.keys();
  assert.deepEqual(keys.map((key) => key.split('/')[2]).toSorted(), hexes.toSorted(), 'the stored bytes');
  assert.equal((await send(server, 'GET', `/v2/${repository}/manifests/1.0`)).status, 200);
  assert.equal((await send(server, 'GET', `/v2/${repository}/blobs/${kept.blob.digest}`)).status, 200);
  assert.equal((await server.run('verify')).code, 0);
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
