import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { artifactStream } from '../../domain/artifact/events.ts';
import type { Digest } from '../../domain/digest.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { imageOf, pushBlob, pushImage, putManifest, send } from '../http/client.ts';
import { openLogOf } from '../http/server-log.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { queryPostgres } from './postgres-of.ts';

test('a collector removes no manifest while the view of the tags is behind the log', async (t) => {
  const server = await startServer(t);
  const log = await openLogOf(t, server);
  const inViews = (statement: string) => queryPostgres(server.dataDirectory, 'shiplog_views', statement);
  const repository = 'library/tags-stopped';
  const manifestAt = (reference: string) => `/v2/${repository}/manifests/${reference}`;
  const { digest, manifest } = await pushImage(server, repository, 'first', 'image');
  assert.equal((await send(server, 'DELETE', manifestAt('first'))).status, 202);

  // An event that only this view cannot apply: it stops before it, and all the others go on.
  await inViews("ALTER TABLE tags_v2.tags ADD CONSTRAINT fault CHECK (tag <> 'fault')");
  const blob = await pushBlob(server, repository, 'other');
  assert.equal((await putManifest(server, repository, 'fault', imageOf(blob, [blob]))).status, 503);
  const tagged = await putManifest(server, repository, 'stable', manifest);
  assert.equal(tagged.status, 503, 'it is recorded, and not shown');
  // As by a collector that died before it knew whether the manifest is needed.
  const data = { repository, digest, condemnation: randomUUID() };
  const condemned = { type: 'ManifestCondemned', version: 1, data, metadata: { actor: 'system' } };
  await log.append(artifactStream(repository, digest as Digest), 'any', [{ id: newEventId(), ...condemned }]);
  await until('it is condemned', async () => {
    const rows = await inViews(`SELECT 1 FROM artifacts_v3.condemned WHERE digest = '${digest}'`);
    return rows.length === 1;
  });

  const collect = () => server.run('gc', '--untagged', '--grace', '0', '--delay', '0');
  const failed = await collect();
  assert.deepEqual([failed.code, /ViewsBehind/.test(failed.output)], [1, true], failed.output);

  await inViews('ALTER TABLE tags_v2.tags DROP CONSTRAINT fault');
  assert.equal((await server.run('replay')).code, 0);
  const pulled = await send(server, 'GET', manifestAt('stable'));
  assert.deepEqual([pulled.status, pulled.body.toString()], [200, manifest]);
  const completed = await collect();
  assert.equal(completed.code, 0, completed.output);
  assert.equal((await send(server, 'HEAD', manifestAt('stable'))).status, 200, 'the next run has kept it');
});
