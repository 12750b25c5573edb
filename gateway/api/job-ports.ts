import type { pauseQueue, resumeQueue } from '../../commands/pause-queue.ts';
import type { stopTask } from '../../commands/stop-task.ts';
import type { JobJournal } from '../../infra/job-journal/port.ts';
import type { JobQueue } from '../../infra/job-queue/port.ts';
import type { queueLengths, Task, taskOfJob, unfinishedTasks } from '../../projections/executions/queries.ts';
import type { pausedKinds } from '../../projections/queues/queries.ts';
import type { listSchedules } from '../../projections/schedules/queries.ts';
import type { Command, Query } from './ports.ts';

export interface JobPorts {
  readonly queue: Pick<JobQueue, 'workers' | 'leases' | 'place'>;
  readonly journal: Pick<JobJournal, 'read' | 'progressOf' | 'onWritten'>;
  readonly taskOfJob: Query<typeof taskOfJob>;
  readonly unfinishedTasks: Query<typeof unfinishedTasks>;
  readonly queueLengths: Query<typeof queueLengths>;
  readonly pausedKinds: Query<typeof pausedKinds>;
  readonly listSchedules: Query<typeof listSchedules>;
  readonly stopTask: Command<typeof stopTask>;
  readonly pauseQueue: Command<typeof pauseQueue>;
  readonly resumeQueue: Command<typeof resumeQueue>;
  /** Resolves when executions and queues are shown as they were at the position. */
  reached(position: bigint): Promise<void>;
}

/** The queue knows jobs by nothing else. */
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The task that the job is about; undefined for what the queue never called a job, or was swept. */
export const findJob = (
  { taskOfJob }: Pick<JobPorts, 'taskOfJob'>,
  jobId: string,
): Promise<Task | undefined> =>
  uuid.test(jobId) ? taskOfJob(jobId.toLowerCase()) : Promise.resolve(undefined);
