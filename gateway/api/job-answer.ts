import { z } from 'zod';
import type { TaskProgress } from '../../infra/job-journal/port.ts';
import type { Task } from '../../projections/executions/queries.ts';
import { time } from './answer-forms.ts';
import type { JobPorts } from './job-ports.ts';

/** Why a job does not go on. */
const waitingFor = z.enum([
  'queue-paused',
  'next-attempt',
  'no-worker',
  'equal-job',
  'free-worker',
  'its-turn',
  'lost-worker',
]);
type WaitingFor = z.output<typeof waitingFor>;

export const jobAnswer = z
  .object({
    id: z.string().describe('The id by which the queue knows it'),
    task_id: z.int(),
    execution_id: z.int(),
    kind: z.string(),
    vendor_id: z.int().describe('The number of the policy or the like that it is done for; -1 for none'),
    status: z.enum(['Pending', 'Scheduled', 'Running', 'Success', 'Error', 'Stopped']),
    attempts: z.int().describe('How often it was begun'),
    stop_requested: z.boolean(),
    message: z.string().describe('Why it, or its last attempt, has failed'),
    stage: z.string().describe('What it is at'),
    done: z.number(),
    total: z.number().optional(),
    bytes: z.number().optional(),
    total_bytes: z.number().optional(),
    rate: z.number().optional().describe('How much of the stage is done in a second'),
    seconds_left: z.number().optional().describe('How long the stage will take at that rate'),
    waiting_for: waitingFor
      .optional()
      .describe(
        'Why it does not go on: its kind is paused, the time of the next attempt, a process that does jobs, the end of an equal job, of any other job, its turn, or that the loss of its worker is noticed',
      ),
    next_attempt_at: time.optional(),
    result: z.record(z.string(), z.unknown()).optional(),
    creation_time: time,
    start_time: time.optional(),
    end_time: time.optional(),
  })
  .meta({ id: 'Job' });
export type JobAnswer = z.output<typeof jobAnswer>;

/** The job as it is now. */
export async function shownJob(jobs: JobPorts, task: Task): Promise<JobAnswer> {
  const [progress, wait] = await Promise.all([
    jobs.journal.progressOf([task.taskId]),
    task.endedAt === undefined ? waitOf(jobs, task) : undefined,
  ]);
  const found = progress.get(task.taskId);
  return {
    id: task.jobId,
    task_id: task.taskId,
    execution_id: task.executionId,
    kind: task.kind,
    vendor_id: task.vendorId,
    status: task.status,
    attempts: task.attempts,
    stop_requested: task.stopRequested,
    message: task.message,
    stage: found?.stage ?? '',
    done: found?.done ?? 0,
    ...(found !== undefined && measured(found, task.endedAt === undefined)),
    ...(wait !== undefined && { waiting_for: wait.for }),
    ...(wait?.until !== undefined && { next_attempt_at: wait.until.toISOString() }),
    ...(task.result !== undefined && { result: task.result }),
    creation_time: task.createdAt.toISOString(),
    ...(task.startedAt !== undefined && { start_time: task.startedAt.toISOString() }),
    ...(task.endedAt !== undefined && { end_time: task.endedAt.toISOString() }),
  };
}

function measured(
  { done, total, bytes, totalBytes, at, stageAt, stageDone }: TaskProgress,
  isUnderWay: boolean,
) {
  const seconds = (at.getTime() - stageAt.getTime()) / 1000;
  const rate = seconds > 0 ? (done - stageDone) / seconds : undefined;
  const left = rate !== undefined && rate > 0 && total !== undefined ? (total - done) / rate : undefined;
  return {
    ...(total !== undefined && { total }),
    ...(bytes !== undefined && { bytes }),
    ...(totalBytes !== undefined && { total_bytes: totalBytes }),
    ...(rate !== undefined && { rate }),
    ...(isUnderWay && left !== undefined && { seconds_left: Math.max(0, left) }),
  };
}

/** Why it does not go on; undefined while it does. */
async function waitOf(
  jobs: JobPorts,
  { kind, jobId, status }: Task,
): Promise<{ readonly for: WaitingFor; readonly until?: Date } | undefined> {
  const [workers, leases, paused, place] = await Promise.all([
    jobs.queue.workers(),
    jobs.queue.leases(),
    jobs.pausedKinds(),
    jobs.queue.place(kind, jobId),
  ]);
  const isTaken = leases.some((lease) => lease.jobId === jobId);
  if (status === 'Running' && isTaken) return undefined;
  if (status === 'Running' && place?.state !== 'waiting') return { for: 'lost-worker' };
  if (paused.has(kind)) return { for: 'queue-paused' };
  if (place !== undefined && place.startAfter.getTime() > Date.now())
    return { for: 'next-attempt', until: place.startAfter };
  if (workers.length === 0) return { for: 'no-worker' };
  if (place?.hasRival) return { for: 'equal-job' };
  const places = workers.reduce((sum, { concurrency }) => sum + concurrency, 0);
  return { for: leases.length >= places ? 'free-worker' : 'its-turn' };
}
