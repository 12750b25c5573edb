import { pauseQueue, resumeQueue } from '../commands/pause-queue.ts';
import type { Recorder } from '../commands/record.ts';
import { stopTask } from '../commands/stop-task.ts';
import type { JobPorts } from '../gateway/api/job-ports.ts';
import { type ViewDatabase, viewOf } from '../infra/database/projection.ts';
import type { Views } from '../infra/views/port.ts';
import { type ExecutionsDatabase, executions } from '../projections/executions/projection.ts';
import { queueLengths, taskOfJob, unfinishedTasks } from '../projections/executions/queries.ts';
import { type QueuesDatabase, queues } from '../projections/queues/projection.ts';
import { pausedKinds } from '../projections/queues/queries.ts';
import { type SchedulesDatabase, schedules } from '../projections/schedules/projection.ts';
import { listSchedules } from '../projections/schedules/queries.ts';
import type { Current } from './api-parts.ts';
import type { Jobs } from './jobs.ts';

/** What the management API asks of jobs, whatever they are for. */
export function jobParts(
  { record, jobs }: { readonly record: Recorder; readonly jobs: Pick<Jobs, 'queue' | 'journal'> },
  { kysely, views, current }: { kysely: ViewDatabase; views: Views; current: Current },
): JobPorts {
  const inExecutions = viewOf<ExecutionsDatabase>(kysely, executions);
  const inSchedules = viewOf<SchedulesDatabase>(kysely, schedules);
  return {
    ...jobs,
    taskOfJob: current(taskOfJob.bind(undefined, inExecutions)),
    unfinishedTasks: current(unfinishedTasks.bind(undefined, inExecutions)),
    queueLengths: current(queueLengths.bind(undefined, inExecutions)),
    pausedKinds: current(pausedKinds.bind(undefined, viewOf<QueuesDatabase>(kysely, queues))),
    listSchedules: current(listSchedules.bind(undefined, inSchedules)),
    stopTask: stopTask({ record }),
    pauseQueue: pauseQueue({ record }),
    resumeQueue: resumeQueue({ record }),
    reached: (position) => views.reached(position, [executions, queues]),
  };
}
