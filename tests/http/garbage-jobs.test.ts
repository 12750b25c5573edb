import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { ask, createdId, createProject, json } from './api-client.ts';
import { digestOf, header, imageOf, pushBlob, pushImage, putManifest, send } from './client.ts';
import { openCollector } from './collector.ts';
import { eventsOf } from './server-log.ts';

const server = await startServer(
  { after },
  {
    environment: {
      SHIPLOG_GARBAGE_COLLECTION_GRACE_HOURS: '0',
      SHIPLOG_GARBAGE_COLLECTION_UNTAGGED_GRACE_HOURS: '0',
      SHIPLOG_GARBAGE_COLLECTION_DELAY_HOURS: '0',
    },
  },
);
const collector = await openCollector({ after }, server);

const statusOf = async (path: string) => (await send(server, 'GET', path)).status;

/** Begins a run by hand and resolves to its id. */
const begin = async (parameters: object = {}): Promise<number> =>
  createdId(
    await ask(server, 'POST', '/system/gc/schedule', { body: { schedule: { type: 'Manual' }, parameters } }),
  );

/** What is at `path` when the job that it shows has ended. */
async function ended(path: string) {
  let shown = json(await ask(server, 'GET', path));
  await until(`the job at ${path} has ended`, async () => {
    shown = json(await ask(server, 'GET', path));
    return ['Success', 'Error', 'Stopped'].includes(shown.job_status ?? shown.status);
  });
  return shown;
}

/** The run when it has ended. */
async function endedRun(id: number) {
  const run = await ended(`/system/gc/${id}`);
  return { ...run, parameters: JSON.parse(run.job_parameters) };
}

const logOf = async (id: number) => (await ask(server, 'GET', `/system/gc/${id}/log`)).body.toString();

test('a run that is begun through the API removes what nothing needs, and tells how much and what', async () => {
  const repository = 'library/by-hand';
  const { digest, blob } = await pushImage(server, repository, '1.0', 'by hand');
  const kept = await pushImage(server, 'library/kept', '1.0', 'kept');
  const { digest: unneeded } = await pushBlob(server, repository, 'nobody needs this');
  await send(server, 'DELETE', `/v2/${repository}/manifests/1.0`);

  const id = await begin({ delete_untagged: true, workers: 2 });

  const run = await endedRun(id);
  assert.equal(run.job_status, 'Success');
  assert.deepEqual(
    [run.job_name, run.job_kind, run.schedule],
    ['GARBAGE_COLLECTION', 'MANUAL', { type: 'Manual' }],
  );
  const { freed_space, purged_blobs, purged_manifests, delete_untagged, workers } = run.parameters;
  assert.deepEqual([purged_blobs, purged_manifests, delete_untagged, workers], [2, 1, true, 2]);
  assert.ok(freed_space > 17, `${freed_space}`);
  for (const path of [`manifests/${digest}`, `blobs/${unneeded}`, `blobs/${blob.digest}`])
    assert.equal(await statusOf(`/v2/${repository}/${path}`), 404, path);
  assert.equal(await statusOf(`/v2/library/kept/blobs/${kept.blob.digest}`), 200);
  const log = await logOf(id);
  assert.match(log, new RegExp(`removed blob ${repository}@${unneeded} \\(17 bytes\\): it was condemned`));
  assert.match(log, /no tag points at it and no index names it/);
  assert.match(log, /success to run gc in job/);
  const listed = await ask(server, 'GET', '/system/gc?page_size=1');
  assert.deepEqual(
    json(listed).map((each: { id: number }) => each.id),
    [id],
  );
  assert.ok(Number(header(listed, 'x-total-count')) >= 1);
  const last = (await eventsOf(collector.log, `blob/${unneeded}`)).at(-1);
  const events = await eventsOf(collector.log, `gc-run/${last?.metadata.correlationId}`);
  assert.deepEqual(
    events.map(({ type }) => type),
    ['GarbageCollectionStarted', 'GarbageCollectionFinished'],
  );
});

test('a dry run changes nothing, and says what the run then does', async () => {
  const repository = 'library/dry';
  const { digest } = await pushImage(server, repository, '1.0', 'dry');
  const own = await pushBlob(server, repository, 'the blob of a dry run');
  assert.equal((await putManifest(server, repository, '2.0', imageOf(own, [own]))).status, 201);
  for (const tag of ['1.0', '2.0']) await send(server, 'DELETE', `/v2/${repository}/manifests/${tag}`);

  const dry = await endedRun(await begin({ delete_untagged: true, dry_run: true }));

  assert.equal(dry.job_status, 'Success');
  assert.equal(await statusOf(`/v2/${repository}/manifests/${digest}`), 200);
  assert.match(await logOf(Number(dry.id)), /blobs and \d+ manifests eligible for deletion/);
  const real = await endedRun(await begin({ delete_untagged: true }));
  const numbers = ['freed_space', 'purged_blobs', 'purged_manifests', 'condemned', 'reprieved', 'orphans'];
  assert.deepEqual(
    numbers.map((name) => dry.parameters[name]),
    numbers.map((name) => real.parameters[name]),
  );
  assert.equal(real.parameters.purged_manifests, 2);
  assert.equal(await statusOf(`/v2/${repository}/manifests/${digest}`), 404);
});

test('of two runs that are begun at once the second waits for the first, and both end', async () => {
  await collector.storeBlobs(
    'library/at-once',
    Array.from({ length: 60 }, (_, index) => `at once ${index}`),
  );
  const ids = await Promise.all([begin({ workers: 1 }), begin({ workers: 1 })]);
  const runs = await Promise.all(ids.map(endedRun));
  assert.deepEqual(
    runs.map(({ job_status }) => job_status),
    ['Success', 'Success'],
  );
  const removed = runs.map(({ parameters }) => parameters.purged_blobs);
  assert.equal(removed[0] + removed[1], 60);
});

test('a run that is stopped says so, and the next one goes on', async () => {
  const contents = Array.from({ length: 400 }, (_, index) => `stopped ${index}`);
  await collector.storeBlobs('library/stopped', contents);
  const id = await begin({ workers: 1 });
  await until('it has begun', async () => {
    const { rows } = await collector.database.pool.query(
      'SELECT count(*)::int AS count FROM blobs_v4.condemned',
    );
    return rows[0].count > 0;
  });
  assert.equal((await ask(server, 'PUT', `/system/gc/${id}`)).status, 200);
  const stopped = await endedRun(id);
  assert.equal(stopped.job_status, 'Stopped');
  assert.ok(stopped.parameters.purged_blobs < 400);
  const next = await endedRun(await begin({ workers: 10 }));
  assert.equal(next.job_status, 'Success');
  assert.equal(stopped.parameters.purged_blobs + next.parameters.purged_blobs, 400);
  assert.equal((await ask(server, 'PUT', `/system/gc/${id}`)).status, 200, 'what has ended stays as it is');
  assert.equal(json(await ask(server, 'GET', `/system/gc/${id}`)).job_status, 'Stopped');
});

test('a run by the command line is in the history as well', async () => {
  const { digest } = await pushBlob(server, 'library/by-command', 'by the command line');
  const result = await server.run('gc', '--grace', '0', '--delay', '0');
  assert.equal(result.code, 0, result.output);
  const [latest] = json(await ask(server, 'GET', '/system/gc?page_size=1'));
  assert.equal(latest.job_status, 'Success');
  assert.equal(JSON.parse(latest.job_parameters).purged_blobs, 1);
  assert.equal(await statusOf(`/v2/library/by-command/blobs/${digest}`), 404);
});

test('what other settings would come to is told by projects and with the largest things, and nothing is changed', async () => {
  await createProject(server, 'what-if', true);
  const repository = 'what-if/app';
  const { digest } = await pushImage(server, repository, '1.0', 'what if');
  const own = await pushBlob(server, repository, 'a blob of some bytes that is alone');
  const manifest = imageOf(own, [own], { annotations: { mark: 'what if' } });
  assert.equal((await putManifest(server, repository, '2.0', manifest)).status, 201);
  await send(server, 'DELETE', `/v2/${repository}/manifests/2.0`);
  await endedRun(await begin());
  const before = await collector.log.head();

  const begun = await ask(server, 'POST', '/system/gc/what-if', {
    body: { delete_untagged: true, grace_hours: 0, untagged_grace_hours: 0, limit: 10 },
  });

  assert.equal(begun.status, 202);
  const path = `/system/gc/what-if/${json(begun).id}`;
  assert.equal(header(begun, 'location'), `/api/v2.0${path}`);
  const found = await ended(path);
  assert.equal(found.status, 'Success');
  const bytes = own.size + manifest.length;
  assert.deepEqual(found.result.bytes_by_project, [{ project: 'what-if', bytes }]);
  assert.deepEqual([found.result.blobs, found.result.manifests, found.result.bytes], [1, 1, bytes]);
  const page = await ask(server, 'GET', `${path}/rows?limit=1`);
  const [largest] = json(page);
  assert.deepEqual(
    [largest.outcome, largest.kind, largest.repository, largest.digest],
    ['gone', 'manifest', repository, digestOf(manifest)],
  );
  assert.match(header(page, 'link'), /after=1/);
  const rest = json(await ask(server, 'GET', `${path}/rows?after=1`));
  assert.deepEqual(
    rest.map((row: { digest: string }) => row.digest),
    [own.digest],
  );
  assert.equal(await statusOf(`/v2/${repository}/manifests/${digestOf(manifest)}`), 200);
  assert.equal(await statusOf(`/v2/${repository}/manifests/${digest}`), 200);
  const young = await ask(server, 'POST', '/system/gc/what-if', {
    body: { delete_untagged: true, grace_hours: 1, untagged_grace_hours: 1 },
  });
  const youngPath = `/system/gc/what-if/${json(young).id}`;
  const { result } = await ended(youngPath);
  assert.deepEqual([result.manifests, result.in_grace.manifests], [0, 1]);
  const [kept] = json(await ask(server, 'GET', `${youngPath}/rows`));
  assert.deepEqual([kept.outcome, kept.digest], ['kept', digestOf(manifest)]);
  assert.ok(Date.parse(kept.until) > Date.now());
  assert.deepEqual(await collector.deedsAfter(before), []);
  for (const parameters of [{ limit: 0 }, { limit: 10_001 }, { grace_hours: '1' }])
    assert.equal((await ask(server, 'POST', '/system/gc/what-if', { body: parameters })).status, 400);
  assert.equal((await ask(server, 'GET', '/system/gc/what-if/999999')).status, 404);
  assert.equal((await ask(server, 'GET', '/system/gc/what-if/999999/rows')).status, 404);
});
