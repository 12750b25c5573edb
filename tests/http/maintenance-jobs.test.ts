import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { garbageCollector } from '../../bin/garbage.ts';
import { storedContents } from '../../bin/scrub.ts';
import type { Digest } from '../../domain/digest.ts';
import { noVendor } from '../../domain/execution/kinds.ts';
import { scheduleStream } from '../../domain/schedule/events.ts';
import { StoreUnavailable } from '../../infra/blob-store/port.ts';
import { aloneIn } from '../../infra/database/alone.ts';
import { postgresResults } from '../../infra/job-results/postgres.ts';
import { cleanUpJob } from '../../workers/clean-up-job.ts';
import { garbageJob } from '../../workers/collect-garbage-job.ts';
import { scrubJob } from '../../workers/scrub-job.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { ask, createdId, json } from './api-client.ts';
import { digestOf, imageOf, pushBlob, pushImage, putManifest, send, startUpload } from './client.ts';
import { atOnceSettings, openCollector } from './collector.ts';
import { eventsOf } from './server-log.ts';

const environment: NodeJS.ProcessEnv = { SHIPLOG_GARBAGE_COLLECTION_SCHEDULE: '30 3 * * *' };
const server = await startServer({ after }, { environment });
const collector = await openCollector({ after }, server);

const gcSchedule = '/system/gc/schedule';

/** What the run at `path` shows when it has ended. */
async function ended(path: string) {
  let shown = json(await ask(server, 'GET', path));
  await until(`the job at ${path} has ended`, async () => {
    shown = json(await ask(server, 'GET', path));
    return ['Success', 'Error', 'Stopped'].includes(shown.job_status);
  });
  return { ...shown, parameters: JSON.parse(shown.job_parameters) };
}

/** How the last execution of the kind has ended. */
async function result(kind: string) {
  type Row = { readonly result: string | null; readonly message: string; readonly status: string };
  let row: Row | undefined;
  await until(`${kind} has ended`, async () => {
    const { rows } = await collector.database.pool.query<Row>(
      'SELECT result, message, status FROM executions_v1.tasks WHERE kind = $1 ORDER BY task_id DESC LIMIT 1',
      [kind],
    );
    row = rows[0];
    return row?.result !== undefined && row.result !== null;
  });
  return { ...row, result: JSON.parse(row?.result ?? '{}') };
}

const lines: string[] = [];
const run = {
  stopping: new AbortController().signal,
  log: (text: string) => void lines.push(text),
  progress: () => undefined,
};
const job = {
  ...{
    executionId: 1,
    taskId: 1,
    jobId: '00000000-0000-4000-8000-000000000000',
    vendorId: noVendor,
    attempt: 1,
  },
};

test('the schedule of the configuration counts until an administrator sets another one or ends it', async () => {
  const shown = async () => json(await ask(server, 'GET', gcSchedule)).schedule?.cron;
  assert.equal(await shown(), '0 30 3 * * *');
  const restart = async (schedule: string) => {
    await server.stop();
    environment.SHIPLOG_GARBAGE_COLLECTION_SCHEDULE = schedule;
    await server.start();
  };
  const before = await eventsOf(collector.log, scheduleStream('GARBAGE_COLLECTION', noVendor));
  await restart('30 3 * * *');
  const same = await eventsOf(collector.log, scheduleStream('GARBAGE_COLLECTION', noVendor));
  assert.equal(same.length, before.length, 'a start records nothing where nothing is new');

  const body = { schedule: { type: 'Daily', cron: '0 0 0 * * *' }, parameters: {} };
  assert.equal((await ask(server, 'POST', gcSchedule, { body })).status, 201);
  await restart('15 4 * * *');
  assert.equal(await shown(), '0 0 0 * * *');
  assert.equal((await ask(server, 'PUT', gcSchedule, { body: { schedule: { type: 'None' } } })).status, 200);
  await restart('45 5 * * *');
  assert.equal((await ask(server, 'GET', gcSchedule)).body.length, 0);
});

test('a purge takes the old rows of the types that it names, says how many, and a dry run takes none', async () => {
  await pushImage(server, 'library/audited', '1.0', 'audited');
  const rows = async (): Promise<number> =>
    json(await ask(server, 'GET', '/auditlog-exts?q=resource_type=artifact&page_size=100')).length;
  await until('the push is in the audit log', async () => (await rows()) > 0);
  const before = await rows();
  const purge = async (parameters: object) => {
    const body = { schedule: { type: 'Manual' }, parameters: { audit_retention_hour: 0, ...parameters } };
    return createdId(await ask(server, 'POST', '/system/purgeaudit/schedule', { body }));
  };

  const dry = await ended(
    `/system/purgeaudit/${await purge({ include_event_types: 'create_artifact', dry_run: true })}`,
  );
  assert.deepEqual(
    [dry.job_status, dry.parameters.purged_audit_log > 0, await rows()],
    ['Success', true, before],
  );
  const other = await ended(`/system/purgeaudit/${await purge({ include_event_types: 'create_robot' })}`);
  assert.deepEqual([other.parameters.purged_audit_log, await rows()], [0, before]);

  const id = await purge({ include_event_types: 'create_artifact' });

  const run = await ended(`/system/purgeaudit/${id}`);
  assert.deepEqual([run.job_status, run.job_name], ['Success', 'PURGE_AUDIT_LOG']);
  assert.equal(run.parameters.purged_audit_log, dry.parameters.purged_audit_log);
  assert.equal(await rows(), before - run.parameters.purged_audit_log);
  const log = (await ask(server, 'GET', `/system/purgeaudit/${id}/log`)).body.toString();
  assert.match(log, /Purge audit job start/);
  assert.match(log, /rows of audit logs/);
  const listed = json(await ask(server, 'GET', '/system/purgeaudit?page_size=2'));
  assert.equal(listed[0].id, id);
  assert.equal((await ask(server, 'PUT', `/system/purgeaudit/${id}`)).status, 200);
});

test('a scrub that is begun through the API finds what is damaged and what is gone, and is for administrators', async () => {
  const fileOf = async (digest: string): Promise<string> => {
    const key = (await collector.keys()).find((each) => each.includes(digest.slice('sha256:'.length)));
    return join(server.dataDirectory, 'blobs', 'blobs', key ?? '');
  };
  const damaged = await pushBlob(server, 'library/scrubbed', 'the bytes that change');
  assert.equal((await putManifest(server, 'library/scrubbed', '1', imageOf(damaged, [damaged]))).status, 201);
  const file = await fileOf(damaged.digest);
  const bytes = await readFile(file);
  await writeFile(file, Buffer.from(bytes).fill(0));
  const missing = await pushBlob(server, 'library/scrubbed', 'the bytes that are gone');
  await rename(await fileOf(missing.digest), `${server.dataDirectory}/elsewhere`);
  assert.equal((await ask(server, 'POST', '/system/scrub', { as: '', body: {} })).status, 401);
  assert.equal((await ask(server, 'POST', '/system/scrub', { body: { rate: 0 } })).status, 400);

  const begun = await ask(server, 'POST', '/system/scrub', { body: { rate: 1000 } });

  assert.equal(begun.status, 202);
  assert.ok(json(begun).job_id.length > 10);
  const scrubbed = await result('SCRUB');
  assert.equal(scrubbed.status, 'Success', scrubbed.message);
  assert.equal(scrubbed.result.damaged, 2);
  assert.ok(scrubbed.result.blobs >= 2 && scrubbed.result.bytes > 0);
  for (const { digest } of [damaged, missing]) {
    const { status } = await send(server, 'GET', `/v2/library/scrubbed/blobs/${digest}`);
    assert.equal(status, 404);
  }
});

test('abandoned uploads and orphans are cleaned up every day', async () => {
  const { rows } = await collector.database.pool.query(
    `SELECT cron FROM schedules_v1.schedules WHERE kind = 'SYSTEM_ARTIFACT_CLEANUP'`,
  );
  assert.deepEqual(rows, [{ cron: '0 0 0 * * *' }]);
  const upload = await startUpload(server, 'library/abandoned');
  const orphan = 'bytes that no event names';
  await collector.store.put(digestOf(orphan) as Digest, Readable.from([Buffer.from(orphan)]));
  const kept = await pushImage(server, 'library/clean', '1.0', 'clean');
  const { store, garbage } = collector;

  const cleaned = await cleanUpJob({ store, garbage, uploadAgeMs: 0, orphanHours: 0 }).run(
    { ...job, kind: 'SYSTEM_ARTIFACT_CLEANUP', parameters: {} },
    run,
  );

  assert.deepEqual(cleaned, { expired_uploads: 1, orphans: 1, freed_space: orphan.length });
  assert.match(lines.join('\n'), new RegExp(`removed orphan ${digestOf(orphan)}`));
  assert.equal((await send(server, 'GET', upload)).status, 404);
  assert.equal((await send(server, 'GET', `/v2/library/clean/blobs/${kept.blob.digest}`)).status, 200);
});

test('a scrub names what cannot be read and passes over it; when the store is away, it goes on where it was', async () => {
  const contents = Array.from({ length: 12 }, (_, index) => `to be scrubbed ${index}`);
  await collector.storeBlobs('library/to-be-scrubbed', contents);
  const { store, database, reportDamage: damaged } = collector;
  const results = postgresResults(database);
  const reads: string[] = [];
  const scrubWhile = (fails: (key: string) => boolean, attempt: number) =>
    scrubJob({
      ...{ results, damaged, contentsAfter: storedContents(database) },
      measure: async () => ({ items: 0, bytes: 0 }),
      store: {
        open(key, range) {
          if (fails(key)) throw new StoreUnavailable('the disk does not answer');
          reads.push(key);
          return store.open(key, range);
        },
      },
    }).run({ ...job, kind: 'SCRUB', parameters: { rate: 1000 }, taskId: 4711, attempt }, run);
  const hex = digestOf(contents[3] ?? '').slice('sha256:'.length);
  lines.length = 0;

  const passed = await scrubWhile((key) => key.includes(hex), 1);

  assert.equal(passed.unreadable, 1);
  assert.match(lines.join('\n'), new RegExp(`sha256:${hex}: cannot be read`));
  const all = reads.splice(0).length;
  await assert.rejects(
    scrubWhile(() => reads.length >= 5, 1),
    StoreUnavailable,
  );
  reads.length = 0;
  const rest = await scrubWhile(() => false, 2);
  assert.equal(rest.unreadable, 0);
  assert.ok(reads.length > 0 && reads.length <= all - 3, `${reads.length} of ${all} are left`);
});

test('a run that finds another collector at work fails, and is tried again', async () => {
  const { log, record, store, database, views } = collector;
  const collect = garbageCollector({ log, record, store, database, views });
  const handler = garbageJob({ collect, settings: atOnceSettings });
  const parameters = { grace_hours: 1 };
  const begun = () => handler.run({ ...job, kind: 'GARBAGE_COLLECTION', parameters }, run);
  await aloneIn(
    database,
    'collect-garbage',
  )(async () => {
    await assert.rejects(begun(), /another collector of garbage is at work/);
  });
  assert.equal((await begun()).purged_blobs, 0);
});
