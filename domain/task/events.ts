import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

export const taskStream = (taskId: number): string => `task/${taskId}`;

const which = {
  taskId: z.int().positive().describe('The number that the management API shows'),
  executionId: z.int().positive().describe('The number of the execution that it is part of'),
};
const attempt = z.int().positive().describe('How often it was begun, this time included');

export const taskEvent = z.discriminatedUnion('type', [
  eventOf('TaskStarted', 'A worker has begun with a task.', { ...which, attempt }),
  eventOf('TaskAttemptFailed', 'A task has failed and is tried once more.', {
    ...which,
    attempt,
    message: z.string().describe('Why it failed'),
  }),
  eventOf('TaskStopRequested', 'A task is not to begin any more, or is to end where it runs.', which),
  eventOf('TaskFinished', 'A task has come to its end, and is never begun again.', {
    ...which,
    status: z.enum(['Success', 'Error', 'Stopped']).describe('How it ended'),
    result: z.record(z.string(), z.unknown()).describe('What its handler has to say of what it did'),
    message: z.string().describe('Why it has failed or was stopped, empty otherwise'),
  }),
]);
export type TaskEvent = z.infer<typeof taskEvent>;
