import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { addTasks } from '../../commands/add-tasks.ts';
import { startExecution } from '../../commands/start-execution.ts';
import { noVendor } from '../../domain/execution/kinds.ts';
import { execution } from '../../projections/executions/queries.ts';
import { startServer } from '../server.ts';
import { besideServer, startWorker } from './job-workers.ts';

const jobs = Number(process.env.SHIPLOG_TEST_JOBS ?? 5000);
const metadata = { actor: 'user:admin' };
const task = (n: number) => ({ key: `${n}`, parameters: { key: `${n}` } });

test(`each of ${jobs} jobs has its effect once, however often workers are killed`, async (t) => {
  const server = await startServer(t, { environment: { SHIPLOG_JOBSERVICE_ENABLED: 'false' } });
  const { log, inExecutions, ports } = await besideServer(t, server);
  const workers = Array.from({ length: 3 }, () => startWorker(t, server));
  const { executionId } = await startExecution(ports)(
    {
      kind: 'SYSTEM_ARTIFACT_CLEANUP',
      vendorId: noVendor,
      trigger: 'MANUAL',
      parameters: {},
      tasks: [task(0)],
    },
    metadata,
  );
  await addTasks(ports)(
    executionId,
    Array.from({ length: jobs }, (_, n) => task(n)),
    metadata,
  );

  let kills = 0;
  const deadline = Date.now() + 240_000;
  for (;;) {
    const found = await execution(inExecutions, executionId);
    if (found?.endedAt !== undefined) break;
    assert.ok(Date.now() < deadline, `not done in time: ${JSON.stringify(found?.tasks)}`);
    // A worker takes some seconds to start, and without any that works nothing would be interrupted.
    await sleep(1500 + Math.random() * 3000);
    const victim = Math.floor(Math.random() * workers.length);
    // One that does something.
    if (!workers[victim]?.isReady()) continue;
    await workers[victim]?.stop('SIGKILL');
    workers[victim] = startWorker(t, server);
    kills += 1;
  }

  assert.ok(kills >= 3, `workers were killed ${kills} times`);
  const effects = new Map<string, number>();
  const ends = new Map<number, string[]>();
  let begun = 0;
  for await (const events of log.readAll(0n))
    for (const { type, stream, data } of events) {
      if (stream.startsWith('repository/test/effect-')) effects.set(stream, (effects.get(stream) ?? 0) + 1);
      if (type === 'TaskStarted') begun += 1;
      if (type !== 'TaskFinished') continue;
      const { taskId, status } = data as { taskId: number; status: string };
      ends.set(taskId, [...(ends.get(taskId) ?? []), status]);
    }
  assert.equal(effects.size, jobs);
  assert.deepEqual(
    [...effects.values()].filter((times) => times !== 1),
    [],
  );
  assert.equal(ends.size, jobs);
  assert.deepEqual(
    [...ends.values()].filter((each) => each.join() !== 'Success'),
    [],
  );
  assert.ok(begun > jobs, 'some were begun again');
});
