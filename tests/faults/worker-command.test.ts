import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { endTask } from '../../commands/end-task.ts';
import { startExecution } from '../../commands/start-execution.ts';
import { type JobKind, noVendor } from '../../domain/execution/kinds.ts';
import { execution, tasks } from '../../projections/executions/queries.ts';
import { ask, createdId, createProject } from '../http/api-client.ts';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { besideServer, startCommand, startWorker } from './job-workers.ts';

const server = await startServer({ after }, { environment: { SHIPLOG_JOBSERVICE_ENABLED: 'false' } });
const { ports, inExecutions } = await besideServer({ after }, server);
const metadata = { actor: 'user:admin' };

async function start(kind: JobKind, parameters: Readonly<Record<string, unknown>>): Promise<number> {
  const { executionId } = await startExecution(ports)(
    { kind, vendorId: noVendor, trigger: 'MANUAL', parameters: {}, tasks: [{ parameters }] },
    metadata,
  );
  await untilIs(executionId, (found) => found !== undefined);
  return executionId;
}
const untilIs = (
  executionId: number,
  holds: (found: Awaited<ReturnType<typeof execution>>) => boolean,
): Promise<void> =>
  until(
    `execution ${executionId} is as it should`,
    async () => holds(await execution(inExecutions, executionId)),
    40_000,
  );
async function taskOf(executionId: number) {
  const { rows } = await tasks(inExecutions, executionId, { filters: [], sort: [], offset: 0, limit: 1 });
  return rows[0] ?? assert.fail('there is no task');
}

test('`shiplog worker` does jobs: old executions are swept, and a run for a project that is gone fails at once', async (t) => {
  const old: number[] = [];
  for (let n = 0; n < 4; n += 1) {
    const executionId = await start('SCAN_DATA_EXPORT', {});
    const { taskId } = await taskOf(executionId);
    await endTask(ports)({ taskId, executionId, status: 'Success' }, metadata);
    await untilIs(executionId, (found) => found?.endedAt !== undefined);
    old.push(executionId);
  }
  const ref = await createProject(server, 'short-lived');
  const rule = {
    ...{ template: 'always', params: {} },
    tag_selectors: [{ decoration: 'matches', pattern: '**', extras: '{"untagged":true}' }],
    scope_selectors: { repository: [{ decoration: 'repoMatches', pattern: '**' }] },
  };
  const policy = { algorithm: 'or', scope: { level: 'project', ref }, rules: [rule] };
  const policyId = createdId(await ask(server, 'POST', '/retentions', { body: policy }));
  const asked = await ask(server, 'POST', `/retentions/${policyId}/executions`, { body: { dry_run: false } });
  const run = createdId(asked);
  assert.equal((await ask(server, 'DELETE', '/projects/short-lived')).status, 200);
  const sweep = await start('EXECUTION_SWEEP', { keep: 2 });

  const worker = startCommand(t, server);

  await untilIs(sweep, (found) => found?.status === 'Success');
  assert.deepEqual((await taskOf(sweep)).result, { swept: 2 });
  const left = await Promise.all(old.map((executionId) => execution(inExecutions, executionId)));
  assert.deepEqual(
    left.map((found) => found !== undefined),
    [false, false, true, true],
  );
  await untilIs(run, (found) => found?.status === 'Error');
  const { message, attempts } = await taskOf(run);
  assert.match(message, /is gone/);
  assert.equal(attempts, 1);
  await worker.stop('SIGTERM');
  assert.match(worker.output(), /"msg":"stopped"/);
});

test('a worker that is told to end gives back what it has, and that does not count as a failure', async (t) => {
  const first = startWorker(t, server);
  const executionId = await start('P2P_PREHEAT', {});
  await untilIs(executionId, (found) => found?.tasks.running === 1);
  await first.stop('SIGTERM');
  const { status, attempts, message } = await taskOf(executionId);
  assert.deepEqual([status, attempts, message], ['Running', 1, '']);

  startWorker(t, server);
  await until('another one goes on', async () => (await taskOf(executionId)).attempts === 2, 40_000);
  const { jobId } = await taskOf(executionId);
  assert.equal((await taskOf(executionId)).message, '');
  assert.equal((await ask(server, 'PUT', `/jobservice/jobs/${jobId}`)).status, 200);
  await untilIs(executionId, (found) => found?.status === 'Stopped');
});

test('a worker ends though a job of it does not, and nobody begins that before', async (t) => {
  const first = startWorker(t, server);
  const executionId = await start('SLACK', {});
  await untilIs(executionId, (found) => found?.tasks.running === 1);
  const second = startWorker(t, server);
  await until('another one is there', second.isReady, 40_000);
  const stopping = first.stop('SIGTERM');
  await until('it goes on elsewhere', async () => (await taskOf(executionId)).attempts === 2, 60_000);
  assert.ok(first.hasEnded());
  await stopping;
});
