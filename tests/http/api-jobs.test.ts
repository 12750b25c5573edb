import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startExecution } from '../../commands/start-execution.ts';
import type { JobKind } from '../../domain/execution/kinds.ts';
import { besideServer, startWorker } from '../faults/job-workers.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { api, ask, createUser, faultOf, json } from './api-client.ts';

const server = await startServer({ after }, { environment: { SHIPLOG_JOBSERVICE_ENABLED: 'false' } });
const { ports, database } = await besideServer({ after }, server);
await createUser(server, 'reader');
/** What a test begins goes on in those after it. */
const ends: (() => Promise<void>)[] = [];
const scope = { after: (end: () => Promise<void>) => void ends.push(end) };
after(async () => {
  for (const end of ends) await end();
});
const metadata = { actor: 'user:admin' };

/** Asks for one task, and resolves to the id of its job. */
async function start(kind: JobKind, parameters: object, vendorId = 7): Promise<string> {
  const jobIds: string[] = [];
  const newJobId = () => {
    jobIds.push(ports.newJobId());
    return jobIds[0] ?? '';
  };
  await startExecution({ ...ports, newJobId })(
    { kind, vendorId, trigger: 'MANUAL', parameters: {}, tasks: [{ parameters: { ...parameters } }] },
    metadata,
  );
  const [jobId = ''] = jobIds;
  await until('the job is listed', async () => (await ask(server, 'GET', `/jobs/${jobId}`)).status === 200);
  return jobId;
}
const job = async (jobId: string) => json(await ask(server, 'GET', `/jobs/${jobId}`));
const untilIs = (jobId: string, expected: object) =>
  until(`the job is as ${JSON.stringify(expected)}`, async () => {
    const found = await job(jobId);
    return Object.entries(expected).every(([name, value]) => found[name] === value);
  });
const setQueue = async (kind: string, action: string) =>
  assert.equal((await ask(server, 'PUT', `/jobservice/queues/${kind}`, { body: { action } })).status, 200);

test('the queues are those of Harbor, and nobody but an administrator sees or changes any of this', async () => {
  const queues = json(await ask(server, 'GET', '/jobservice/queues'));
  assert.deepEqual(queues.map(({ job_type }: { job_type: string }) => job_type).toSorted(), [
    ...['AUDIT_LOGS_GDPR_COMPLIANT', 'EXECUTION_SWEEP', 'GARBAGE_COLLECTION', 'IMAGE_SCAN', 'P2P_PREHEAT'],
    ...['PURGE_AUDIT_LOG', 'REPLICATION', 'RETENTION', 'SCAN_DATA_EXPORT', 'SCHEDULER', 'SLACK'],
    ...['SYSTEM_ARTIFACT_CLEANUP', 'WEBHOOK'],
  ]);
  for (const [method, path, body] of [
    ['GET', '/jobservice/pools'],
    ['GET', '/jobservice/pools/all/workers'],
    ['PUT', '/jobservice/jobs/all'],
    ['GET', '/jobservice/jobs/1/log'],
    ['GET', '/jobservice/queues'],
    ['PUT', '/jobservice/queues/all', { action: 'pause' }],
    ['GET', '/schedules'],
    ['GET', '/jobs/1'],
    ['GET', '/jobs/1/log'],
    ['GET', '/jobs/1/events'],
  ] as const) {
    const more = body === undefined ? {} : { body };
    assert.equal((await ask(server, method, path, { as: 'reader', ...more })).status, 403, path);
    assert.equal((await ask(server, method, path, { as: '', ...more })).status, 401, path);
  }
});

test('what is malformed or not there is refused, or nothing happens where Harbor does nothing', async () => {
  const action = (kind: string, body: unknown) => ask(server, 'PUT', `/jobservice/queues/${kind}`, { body });
  assert.equal((await action('RETENTION', { action: 'explode' })).status, 422);
  assert.equal((await action('RETENTION', {})).status, 422);
  assert.equal((await action('NOTHING', { action: 'pause' })).status, 404);
  for (const id of ['7', 'nothing', `${'f'.repeat(8)}-0000-0000-0000-${'0'.repeat(12)}`]) {
    assert.equal((await ask(server, 'PUT', `/jobservice/jobs/${id}`)).status, 200, id);
    assert.equal((await ask(server, 'GET', `/jobservice/jobs/${id}/log`)).status, 404, id);
    assert.equal((await ask(server, 'GET', `/jobs/${id}`)).status, 404, id);
  }
  assert.deepEqual(json(await ask(server, 'GET', '/jobservice/pools/nobody/workers')), []);
  assert.equal((await ask(server, 'GET', '/schedules/RETENTION/paused')).status, 400);
});

test('all schedules are paused with the queue of the scheduler, which anybody may know', async () => {
  const paused = async () => json(await ask(server, 'GET', '/schedules/all/paused', { as: 'reader' }));
  assert.deepEqual(await paused(), { paused: false });
  await setQueue('scheduler', 'pause');
  assert.deepEqual(await paused(), { paused: true });
  await setQueue('ALL', 'resume');
  assert.deepEqual(await paused(), { paused: false });
  assert.equal((await ask(server, 'GET', '/schedules/all/paused', { as: '' })).status, 401);
});

test('a job says why it waits: no worker, a pause, an equal job, or the time of its next attempt', async () => {
  const cheap = await start('SYSTEM_ARTIFACT_CLEANUP', { key: 'paused' });
  assert.equal((await job(cheap)).waiting_for, 'no-worker');
  await setQueue('SYSTEM_ARTIFACT_CLEANUP', 'pause');
  startWorker(scope, server);
  await until('a worker is there', async () => {
    const pools = json(await ask(server, 'GET', '/jobservice/pools'));
    return pools.length === 1 && pools[0].concurrency === 10;
  });
  assert.equal((await job(cheap)).waiting_for, 'queue-paused');
  const queues = json(await ask(server, 'GET', '/jobservice/queues'));
  const { count, paused } = queues.find(
    ({ job_type }: { job_type: string }) => job_type === 'SYSTEM_ARTIFACT_CLEANUP',
  );
  assert.deepEqual([count, paused], [1, true]);

  const failing = await start('SCAN_DATA_EXPORT', { permanent: false });
  await untilIs(failing, { status: 'Scheduled', waiting_for: 'next-attempt', message: 'it never works' });
  assert.ok(Date.parse((await job(failing)).next_attempt_at) > 0);

  const long = await start('P2P_PREHEAT', {});
  await untilIs(long, { status: 'Running' });
  const equal = await start('P2P_PREHEAT', {});
  await untilIs(equal, { status: 'Pending', waiting_for: 'equal-job' });
  const other = await start('P2P_PREHEAT', {}, 8);
  await untilIs(other, { status: 'Running' });
  for (const jobId of [long, equal, other]) await ask(server, 'PUT', `/jobservice/jobs/${jobId}`);
  for (const jobId of [long, equal, other]) await untilIs(jobId, { status: 'Stopped' });

  // The queue and all beside it go with the database of the views, and come back from the log.
  await database.pool.query('DROP SCHEMA jobs CASCADE; DROP SCHEMA job_queue CASCADE');
  await setQueue('SYSTEM_ARTIFACT_CLEANUP', 'resume');
  await untilIs(cheap, { status: 'Success' });
  await untilIs(failing, { status: 'Error', message: 'it never works' });
});

test('what can never work is tried once', async () => {
  const jobId = await start('SCAN_DATA_EXPORT', { permanent: true });
  await untilIs(jobId, { status: 'Error', message: 'what it was done for is gone', attempts: 1 });
  const wrong = await start('SCAN_DATA_EXPORT', { permanent: 'perhaps' });
  await untilIs(wrong, { status: 'Error', attempts: 1 });
  const log = await ask(server, 'GET', `/jobservice/jobs/${wrong}/log`);
  assert.match(log.body.toString(), /\[ERROR\] the parameters are wrong/);
});

test('who watches a job is told how far it is and what it says, until it has been stopped', async () => {
  const jobId = await start('P2P_PREHEAT', {});
  const answer = await server.fetch(`${api}/jobs/${jobId}/events`);
  assert.equal(answer.headers.get('content-type'), 'text/event-stream');
  let heard = '';
  const hearing = (async () => {
    for await (const chunk of answer.body ?? []) heard += Buffer.from(chunk).toString();
  })();
  await until('progress is told', () => /"stage":"waiting","done":[1-9]/.test(heard));
  const workers = json(await ask(server, 'GET', '/jobservice/pools/all/workers'));
  assert.deepEqual(
    workers.map(({ job_id, job_name, check_in }: Record<string, string>) => [job_id, job_name, check_in]),
    [[jobId, 'P2P_PREHEAT', 'waiting']],
  );
  await until('it is told how long it takes', async () => {
    const { total, rate, seconds_left } = await job(jobId);
    return total === 1_000_000 && rate > 0 && seconds_left > 0;
  });

  assert.equal((await ask(server, 'PUT', '/jobservice/jobs/all')).status, 200);
  await hearing;
  const events = heard
    .split('\n\n')
    .flatMap((event) => /^event: (\w+)$/m.exec(event)?.[1] ?? [])
    .filter((name, index, all) => name !== all[index - 1]);
  assert.equal(events.at(-1), 'end');
  assert.ok(events.includes('log') && events.includes('job'));
  assert.match(heard, /event: end\ndata: {"status":"Stopped"}/);
  assert.deepEqual((await job(jobId)).result, { ended: 'early' });

  const lines = json(await ask(server, 'GET', `/jobs/${jobId}/log?limit=1`));
  assert.deepEqual(
    lines.map(({ level, text }: Record<string, string>) => [level, text]),
    [['info', 'it has begun']],
  );
  const rest = json(await ask(server, 'GET', `/jobs/${jobId}/log?after=${lines[0].line}`));
  assert.deepEqual(
    rest.map(({ level, text }: Record<string, string>) => [level, text]),
    [['warn', 'it was told to end']],
  );
  assert.equal(faultOf(await ask(server, 'GET', `/jobs/${jobId}/log?after=x`)).code, 'UNPROCESSABLE_ENTITY');
  const text = (await ask(server, 'GET', `/jobservice/jobs/${jobId}/log`)).body.toString();
  assert.match(text, /^\d{4}-\d\d-\d\dT[\d:.]+Z \[INFO\] it has begun\n.*\[WARN\] it was told to end\n$/);
});

test('who watches one job after the other on one connection leaves nothing behind', async () => {
  const jobId = await start('SCAN_DATA_EXPORT', { permanent: true });
  await ask(server, 'PUT', `/jobservice/jobs/${jobId}`);
  await until('it has ended', async () => (await job(jobId)).end_time !== undefined);
  for (let times = 0; times < 20; times += 1)
    assert.match(await (await server.fetch(`${api}/jobs/${jobId}/events`)).text(), /event: end/);
  assert.doesNotMatch(JSON.stringify(server.lines), /MaxListenersExceeded/);
});
