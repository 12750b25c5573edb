import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProject, createUser } from '../http/api-client.ts';
import { pushImage } from '../http/client.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { startHarborClient } from './harbor-client.ts';

const patienceMs = 60_000;
const hasEnded = (status: string): boolean => ['Success', 'Error', 'Stopped'].includes(status);

test("Harbor's generated client governs and follows the work that is done in the background", async (t) => {
  const server = await startServer(t, { environment: { SHIPLOG_GARBAGE_COLLECTION_ENABLED: 'false' } });
  const client = await startHarborClient(t, server);
  if (client === undefined) return;
  const { ask, get, create, status } = client;
  await createUser(server, 'stranger');
  const ref = await createProject(server, 'team');

  const purges = { audit_retention_hour: 24, include_event_types: 'create_artifact,pull_artifact' };
  for (const { work, name, parameters, by, said } of [
    {
      work: 'the collection of garbage',
      name: 'GARBAGE_COLLECTION',
      parameters: { delete_untagged: true, workers: 2 },
      by: {
        ...{ create: 'CreateGCSchedule', update: 'UpdateGCSchedule', schedule: 'GetGCSchedule', id: 'GCID' },
        ...{ history: 'GetGCHistory', show: 'GetGC', log: 'GetGCLog', stop: 'StopGC', path: 'gc' },
      },
      said: /success to run gc in job/,
    },
    {
      work: 'the purge of the audit log',
      name: 'PURGE_AUDIT_LOG',
      parameters: purges,
      by: {
        ...{ create: 'CreatePurgeSchedule', update: 'UpdatePurgeSchedule', schedule: 'GetPurgeSchedule' },
        ...{ history: 'GetPurgeHistory', show: 'GetPurgeJob', log: 'GetPurgeJobLog', stop: 'StopPurge' },
        ...{ id: 'PurgeID', path: 'purgeaudit' },
      },
      said: /Purge audit job start[\s\S]*rows of audit logs/,
    },
  ]) {
    const scheduled = (type: string, cron?: string) => ({
      Schedule: { schedule: { type, ...(cron !== undefined && { cron }) }, parameters },
    });
    const listed = async () =>
      (await get('ListSchedules', { Page: 1, PageSize: 100 })).find(
        ({ vendor_type }: Record<string, string>) => vendor_type === name,
      );

    await t.test(`${work} is scheduled, and its schedule shown, replaced and removed`, async () => {
      // Without a schedule the answer has no body, of which the client makes an empty history.
      assert.equal((await get(by.schedule)).schedule, undefined);
      assert.equal(await listed(), undefined);
      const { status: created, location } = await ask(by.create, scheduled('Daily', '0 0 0 * * *'));
      assert.deepEqual([created, location], [201, `/api/v2.0/system/${by.path}/0`]);
      const shown = await get(by.schedule);
      assert.deepEqual(
        [shown.schedule.type, shown.schedule.cron, shown.job_kind, JSON.parse(shown.job_parameters)],
        ['Daily', '0 0 0 * * *', '0 0 0 * * *', parameters],
      );
      assert.ok(Date.parse(shown.schedule.next_scheduled_time) > Date.now());
      await get(by.update, scheduled('Custom', '0 15 3 * * *'));
      assert.equal((await get(by.schedule)).schedule.type, 'Custom');
      const { cron, vendor_id } = await listed();
      assert.deepEqual([cron, vendor_id], ['0 15 3 * * *', -1]);
      assert.equal(await status(by.create, scheduled('Custom', 'always')), 400);
      await get(by.update, scheduled('None'));
      assert.equal((await get(by.schedule)).schedule, undefined);
      assert.equal(await listed(), undefined);
    });

    await t.test(`${work} is begun by hand, and found with its log in the history`, async () => {
      const id = await create(by.create, scheduled('Manual'));
      const at = { [by.id]: id };
      await until('it has ended', async () => hasEnded((await get(by.show, at)).job_status), patienceMs);
      const run = await get(by.show, at);
      assert.deepEqual(
        [run.id, run.job_name, run.job_kind, run.job_status, run.schedule.type],
        [id, name, 'MANUAL', 'Success', 'Manual'],
      );
      const { payload, total } = await ask(by.history, { Page: 1, PageSize: 1 });
      assert.deepEqual([payload, total], [[run], 1]);
      assert.match(await get(by.log, at), said);
      await get(by.stop, at);
      assert.equal((await get(by.show, at)).job_status, 'Success', 'what has ended stays as it ended');
      assert.equal(await status(by.stop, { [by.id]: 999 }), 404);
      assert.equal(await status(by.show, { [by.id]: 999 }), 404);
    });

    await t.test(`only who administers the system schedules or follows ${work}`, async () => {
      for (const [operation, params] of [
        [by.schedule, {}],
        [by.history, {}],
        [by.create, scheduled('Manual')],
      ] as const) {
        assert.equal(await status(operation, params, 'stranger'), 403, operation);
        assert.equal(await status(operation, params, ''), 401, operation);
      }
    });
  }

  await t.test('queues are listed, paused, emptied and resumed', async () => {
    const queueOf = async (type: string) =>
      (await get('ListJobQueues')).find(({ job_type }: Record<string, string>) => job_type === type);
    const act = (JobType: string, action: string) =>
      get('ActionPendingJobs', { JobType, ActionRequest: { action } });
    assert.equal((await get('ListJobQueues')).length, 13);
    await act('purge_audit_log', 'pause');
    const PurgeID = await create('CreatePurgeSchedule', {
      Schedule: { schedule: { type: 'Manual' }, parameters: purges },
    });
    const { count, paused } = await queueOf('PURGE_AUDIT_LOG');
    assert.deepEqual([count, paused], [1, true]);
    await act('PURGE_AUDIT_LOG', 'stop');
    await until(
      'it has been stopped',
      async () => (await get('GetPurgeJob', { PurgeID })).job_status === 'Stopped',
    );
    await act('all', 'resume');
    assert.equal((await queueOf('PURGE_AUDIT_LOG')).paused, false);
    assert.equal(await status('ActionPendingJobs', { JobType: 'all', ActionRequest: { action: 'x' } }), 422);

    assert.equal((await get('GetSchedulePaused', { JobType: 'all' }, 'stranger')).paused, false);
    await act('SCHEDULER', 'pause');
    assert.equal((await get('GetSchedulePaused', { JobType: 'all' })).paused, true);
    await act('SCHEDULER', 'resume');
  });

  await t.test('who does jobs and what they do is shown, and a job stopped', async () => {
    const [pool] = await get('GetWorkerPools');
    assert.ok(pool.pid > 0 && pool.concurrency > 0, JSON.stringify(pool));
    for (const PoolID of ['all', pool.worker_pool_id, 'none'])
      assert.ok(Array.isArray(await get('GetWorkers', { PoolID })), PoolID);
    await get('StopRunningJob', { JobID: 'all' });
    await get('StopRunningJob', { JobID: 'none' });
    for (const operation of ['GetWorkerPools', 'ListJobQueues', 'ListSchedules'])
      assert.equal(await status(operation, {}, 'stranger'), 403, operation);
  });

  await t.test('a retention policy is run dry, which removes nothing, and then run', async () => {
    for (const tag of ['v1', 'v2', 'v3']) await pushImage(server, 'team/app', tag, tag);
    const selector = { kind: 'doublestar', pattern: '**' };
    const rule = {
      action: 'retain',
      template: 'latestPushedK',
      params: { latestPushedK: 1 },
      tag_selectors: [{ ...selector, decoration: 'matches', extras: '{"untagged":true}' }],
      scope_selectors: { repository: [{ ...selector, decoration: 'repoMatches' }] },
    };
    const trigger = { kind: 'Schedule', settings: { cron: '0 0 0 * * *' } };
    const scope = { level: 'project', ref };
    const ID = await create('CreateRetention', {
      Policy: { algorithm: 'or', scope, trigger, rules: [rule] },
    });
    const run = async (isDry: boolean) => {
      const Eid = await create('TriggerRetentionExecution', { ID, Body: { dry_run: isDry } });
      const find = async () =>
        (await get('ListRetentionExecutions', { ID })).find(({ id }: { id: number }) => id === Eid);
      await until('the run has ended', async () => hasEnded((await find()).status), patienceMs);
      const execution = await find();
      assert.deepEqual([execution.status, execution.trigger], ['Success', 'Manual']);
      assert.equal(execution.dry_run ?? false, isDry);
      const [task, ...more] = await get('ListRetentionTasks', { ID, Eid });
      assert.deepEqual(
        [task.execution_id, task.repository, task.status, task.total, task.retained, more],
        [Eid, 'app', 'Success', 3, 1, []],
      );
      const log = await get('GetRetentionTaskLog', { ID, Eid, Tid: task.id });
      for (const tag of ['v1', 'v2', 'v3']) assert.match(log, new RegExp(tag));
      assert.equal(await get('ActionGetJobLog', { JobID: task.job_id }), log);
      return (await get('ListArtifacts', { ProjectName: 'team', RepositoryName: 'app' })).length;
    };
    assert.equal(await run(true), 3);
    assert.equal(await run(false), 1);
    const { payload, total } = await ask('ListRetentionExecutions', { ID, Page: 1, PageSize: 1 });
    assert.deepEqual([payload.length, payload[0].dry_run ?? false, total], [1, false, 2]);
    const unknown = { ID, Eid: 999, Body: { action: 'stop' } };
    await assert.rejects(ask('OperateRetentionExecution', unknown), /status 404/);
    const schedules = await get('ListSchedules', { Page: 1, PageSize: 100 });
    const schedule = schedules.find(
      ({ vendor_type }: { vendor_type: string }) => vendor_type === 'RETENTION',
    );
    assert.deepEqual([schedule.vendor_id, schedule.cron], [ID, '0 0 0 * * *']);
    await get('DeleteRetention', { ID });
  });
});
