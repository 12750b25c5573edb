import { z } from 'zod';
import type { Published } from './publication.ts';

const execution = ['executionId', 'kind', 'vendorId'] as const;
const task = ['taskId', 'executionId'] as const;
const schedule = ['scheduleId', 'kind', 'vendorId'] as const;
const due = [...schedule, 'type', 'cron', 'dueAt', 'executionId'] as const;
const byKind = ({ kind }: { readonly kind: string }) => kind;
const byTask = { subject: ({ taskId }: { readonly taskId: number }) => `task/${taskId}` };
const byExecution = {
  subject: ({ executionId }: { readonly executionId: number }) => `execution/${executionId}`,
};
const bySchedule = {
  subject: ({ kind, vendorId }: { readonly kind: string; readonly vendorId: number }) =>
    `${kind}/${vendorId}`,
};
const byRun = { subject: ({ run }: { readonly run: string }) => run };
const failed = { result: () => 'failed' as const };

/** What the outside is told of what is done in the background. */
export const publishedWork = {
  GarbageCollectionStarted: {
    type: 'gc.started',
    need: 'system',
    fields: ['run', 'dryRun', 'graceHours', 'untagged', 'untaggedGraceHours', 'delayHours', 'orphanHours'],
    ...byRun,
  },
  GarbageCollectionFinished: {
    type: 'gc.finished',
    need: 'system',
    fields: [
      'run',
      'status',
      'condemned',
      'reprieved',
      'blobs',
      'manifests',
      'orphans',
      'bytes',
      'durationMs',
    ],
    ...byRun,
    result: ({ status }) => (status === 'failed' ? 'failed' : 'done'),
  },

  ExecutionStarted: {
    type: 'job.execution.started',
    need: 'system',
    fields: [...execution, 'trigger'],
    ...byExecution,
  },
  TasksRequested: {
    type: 'job.requested',
    need: 'system',
    fields: execution,
    ...byExecution,
    more: {
      shape: { taskIds: z.array(z.int()).describe('The numbers of the tasks') },
      of: ({ tasks }) => ({ taskIds: tasks.map(({ taskId }) => taskId) }),
    },
  },
  ExecutionStopRequested: {
    type: 'job.execution.stopping',
    need: 'system',
    fields: execution,
    ...byExecution,
  },
  TaskStarted: { type: 'job.started', need: 'system', fields: [...task, 'attempt'], ...byTask },
  TaskAttemptFailed: {
    type: 'job.attempt.failed',
    need: 'system',
    fields: [...task, 'attempt', 'message'],
    ...byTask,
    ...failed,
  },
  TaskStopRequested: { type: 'job.stopping', need: 'system', fields: task, ...byTask },
  TaskFinished: {
    type: 'job.finished',
    need: 'system',
    fields: [...task, 'status', 'message'],
    ...byTask,
    result: ({ status }) => (status === 'Error' ? 'failed' : 'done'),
  },
  ExecutionsSwept: { private: 'Says what is listed no more, of what has ended long ago.' },
  ScheduleSet: {
    type: 'schedule.set',
    need: 'system',
    fields: [...schedule, 'type', 'cron', 'since'],
    ...bySchedule,
  },
  ScheduleFired: { type: 'schedule.fired', need: 'system', fields: [...due, 'taskId'], ...bySchedule },
  ScheduleSkipped: { type: 'schedule.skipped', need: 'system', fields: due, ...bySchedule },
  ScheduleRemoved: { type: 'schedule.removed', need: 'system', fields: schedule, ...bySchedule },
  QueuePaused: { type: 'queue.paused', need: 'system', fields: ['kind'], subject: byKind },
  QueueResumed: { type: 'queue.resumed', need: 'system', fields: ['kind'], subject: byKind },
} satisfies Partial<Published>;
