import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { harborKinds, type JobKind, jobKinds } from '../../domain/execution/kinds.ts';
import type { Task } from '../../projections/executions/queries.ts';
import type { Access, Asker } from './access.ts';
import { lists, nothing, says, shows, time } from './answer-forms.ts';
import { badRequest, notFound } from './faults.ts';
import { findJob, type JobPorts } from './job-ports.ts';
import { operation } from './operation.ts';
import { taskLog } from './task-log.ts';

const tag = 'jobservice';

const poolAnswer = z
  .object({
    pid: z.int(),
    worker_pool_id: z.string(),
    start_at: time,
    heartbeat_at: time,
    concurrency: z.int().describe('How many jobs it does at once'),
  })
  .meta({ id: 'WorkerPool' });

const workerAnswer = z
  .object({
    id: z.string(),
    pool_id: z.string(),
    job_name: z.string(),
    job_id: z.string(),
    start_at: time,
    check_in: z.string().describe('What the job is at'),
    checkin_at: time.optional(),
  })
  .meta({ id: 'Worker' });

const queueAnswer = z
  .object({
    job_type: z.string(),
    count: z.int().describe('How many jobs wait'),
    latency: z.int().describe('For how long the first of them has been waiting, in seconds'),
    paused: z.boolean(),
  })
  .meta({ id: 'JobQueue' });

const scheduleAnswer = z
  .object({
    id: z.int(),
    vendor_type: z.string(),
    vendor_id: z.int(),
    cron: z.string(),
    update_time: time,
  })
  .meta({ id: 'ScheduleTask' });

const actionForm = z.object({ action: z.enum(['stop', 'pause', 'resume']) });

/** How many tasks are read, and stopped, at once. */
const pageSize = 500;

/** Harbor's operations on workers, queues and schedules. */
export function jobServiceRoutes(api: FastifyInstance, jobs: JobPorts, access: Access): void {
  operation(
    api,
    {
      id: 'getWorkerPools',
      tag,
      method: 'GET',
      path: '/jobservice/pools',
      summary: 'The processes that do jobs.',
      answer: shows(z.array(poolAnswer)),
    },
    async ({ request }) => {
      await access.inSystem(request, 'jobservice-monitor:list');
      return (await jobs.queue.workers()).map(({ workerId, pid, startedAt, heardAt, concurrency }) => ({
        pid,
        worker_pool_id: workerId,
        start_at: startedAt,
        heartbeat_at: heardAt,
        concurrency,
      }));
    },
  );

  operation(
    api,
    {
      id: 'getWorkers',
      tag,
      method: 'GET',
      path: '/jobservice/pools/:pool_id/workers',
      summary: 'The jobs that a process does now, or with `all` as the process, that any does.',
      answer: shows(z.array(workerAnswer)),
    },
    async ({ request, path: { pool_id: poolId } }) => {
      await access.inSystem(request, 'jobservice-monitor:list');
      const leases = (await jobs.queue.leases()).filter(
        ({ workerId }) => poolId === 'all' || workerId === poolId,
      );
      const progress = await jobs.journal.progressOf(leases.map(({ taskId }) => taskId));
      return leases.map(({ workerId, jobId, kind, taskId, begunAt }) => {
        const { stage = '', at } = progress.get(taskId) ?? {};
        return {
          id: jobId,
          pool_id: workerId,
          job_name: kind,
          job_id: jobId,
          start_at: begunAt,
          check_in: stage,
          ...(at !== undefined && { checkin_at: at }),
        };
      });
    },
  );

  operation(
    api,
    {
      id: 'stopRunningJob',
      tag,
      method: 'PUT',
      path: '/jobservice/jobs/:job_id',
      summary: 'Stops a job, or with `all` every job that runs; of one that is not there nothing happens.',
      answer: nothing,
    },
    async ({ request, path: { job_id: jobId } }) => {
      const asker = await access.inSystem(request, 'jobservice-monitor:stop');
      const task = jobId === 'all' ? undefined : await findJob(jobs, jobId);
      const running = jobId === 'all' ? await jobs.queue.leases() : [];
      await stop(asker, task === undefined ? running : [task]);
    },
  );

  operation(
    api,
    {
      id: 'actionGetJobLog',
      tag,
      method: 'GET',
      path: '/jobservice/jobs/:job_id/log',
      summary: 'What a job has said.',
      answer: says(),
    },
    async ({ request, path: { job_id: jobId } }) => {
      await access.inSystem(request, 'jobservice-monitor:list');
      const task = await findJob(jobs, jobId);
      if (task === undefined) throw notFound(`job ${jobId} not found`);
      return taskLog(jobs.journal, task.taskId);
    },
  );

  operation(
    api,
    {
      id: 'listJobQueues',
      tag,
      method: 'GET',
      path: '/jobservice/queues',
      summary: 'How many jobs of each kind wait, and for how long, and which kinds are paused.',
      answer: shows(z.array(queueAnswer)),
    },
    async ({ request }) => {
      await access.inSystem(request, 'jobservice-monitor:list');
      const [lengths, paused] = await Promise.all([jobs.queueLengths(harborKinds), jobs.pausedKinds()]);
      return lengths.map(({ kind, waiting, since }) => ({
        job_type: kind,
        count: waiting,
        latency: since === undefined ? 0 : Math.max(0, Math.round((Date.now() - since.getTime()) / 1000)),
        paused: paused.has(kind),
      }));
    },
  );

  operation(
    api,
    {
      id: 'actionPendingJobs',
      tag,
      method: 'PUT',
      path: '/jobservice/queues/:job_type',
      summary: 'Pauses or resumes the jobs of a kind, or stops those that wait; with `all`, of every kind.',
      body: actionForm,
      answer: nothing,
    },
    async ({ request, path: { job_type: written }, body }) => {
      const asker = await access.inSystem(request, 'jobservice-monitor:stop');
      const { action } = await body();
      const kinds = kindsNamed(written);
      const { metadata } = asker;
      if (action === 'stop') return stopWaiting(asker, kinds);
      const change = action === 'pause' ? jobs.pauseQueue : jobs.resumeQueue;
      let reached = 0n;
      for (const kind of kinds) {
        const position = await change(kind, metadata);
        if (position > reached) reached = position;
      }
      await jobs.reached(reached);
    },
  );

  async function stopWaiting(asker: Asker, kinds: readonly JobKind[]): Promise<void> {
    for (const kind of kinds)
      for (let after = 0; ; ) {
        const tasks = await jobs.unfinishedTasks({ kind, after, limit: pageSize });
        // What was begun and given back, or whose worker was lost, is shown as running and waits.
        const held = new Set((await jobs.queue.leases()).map(({ jobId }) => jobId));
        await stop(
          asker,
          tasks.filter(({ status, jobId }) => status !== 'Running' || !held.has(jobId)),
        );
        const last = tasks.at(-1);
        if (last === undefined || tasks.length < pageSize) break;
        after = last.taskId;
      }
  }

  async function stop(
    { metadata }: Asker,
    tasks: readonly Pick<Task, 'taskId' | 'executionId'>[],
  ): Promise<void> {
    const positions = await Promise.all(
      tasks.map(({ taskId, executionId }) => jobs.stopTask({ taskId, executionId }, metadata)),
    );
    await jobs.reached(positions.reduce((max, position) => (position > max ? position : max), 0n));
  }

  operation(
    api,
    {
      id: 'listSchedules',
      tag: 'schedule',
      method: 'GET',
      path: '/schedules',
      summary: 'What the clock starts.',
      answer: lists(scheduleAnswer, 'paged'),
    },
    async ({ request, listing }) => {
      await access.inSystem(request, 'jobservice-monitor:list');
      const { rows, total } = await jobs.listSchedules(listing);
      return {
        rows: rows.map(({ scheduleId, kind, vendorId, cron, updatedAt }) => ({
          id: scheduleId,
          vendor_type: kind,
          vendor_id: vendorId,
          cron,
          update_time: updatedAt,
        })),
        total,
      };
    },
  );

  operation(
    api,
    {
      id: 'getSchedulePaused',
      tag: 'schedule',
      method: 'GET',
      path: '/schedules/:job_type/paused',
      summary: 'Whether the clock starts nothing now, asked of `all`.',
      answer: shows(z.object({ paused: z.boolean() }).meta({ id: 'SchedulerStatus' })),
    },
    async ({ request, path: { job_type: kind } }) => {
      await access.known(request);
      if (kind.toLowerCase() !== 'all') throw badRequest("job_type can only be 'all'");
      return { paused: (await jobs.pausedKinds()).has('SCHEDULER') };
    },
  );
}

/** @throws RequestRefused 404 */
function kindsNamed(written: string): readonly JobKind[] {
  const name = written.toUpperCase();
  const kinds = jobKinds.filter((kind) => name === 'ALL' || kind === name);
  if (kinds.length === 0) throw notFound(`there is no queue of the job type ${JSON.stringify(written)}`);
  return kinds;
}
