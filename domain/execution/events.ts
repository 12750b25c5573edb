import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

export const executionStream = (executionId: number): string => `execution/${executionId}`;

const executionId = z.int().positive().describe('The number that the management API shows');
const kind = z
  .string()
  .describe('What kind of work it is, such as RETENTION; the queue that its tasks wait in');
const vendorId = z
  .int()
  .min(-1)
  .describe('The number of the policy or the like that the work is done for, -1 for the whole system');

const task = z.object({
  taskId: z.int().positive().describe('The number that the management API shows'),
  jobId: z.string().describe('The id by which the queue knows it; a UUID'),
  key: z.string().describe('What tells it from the other tasks of its execution'),
  parameters: z.record(z.string(), z.unknown()).describe('What its handler is to do'),
});
export type RequestedTask = z.infer<typeof task>;

/** One stream an execution, so that it begins with its first tasks whatever the engine of the log. */
export const executionEvent = z.discriminatedUnion('type', [
  eventOf('ExecutionStarted', 'Work was asked for: by a person, by a schedule or by an event.', {
    executionId,
    kind,
    vendorId,
    trigger: z.enum(['MANUAL', 'SCHEDULE', 'EVENT']).describe('What asked for it'),
    parameters: z.record(z.string(), z.unknown()).describe('What is to be done, by the names of its kind'),
  }),
  eventOf('TasksRequested', 'An execution has these tasks too.', {
    executionId,
    kind,
    vendorId,
    tasks: z
      .array(task)
      .describe('The tasks, each with its number, the id of its job, its key and its parameters'),
  }),
  eventOf(
    'ExecutionStopRequested',
    'No task of the execution begins any more, and those that run are to end.',
    {
      executionId,
      kind,
      vendorId,
    },
  ),
]);
export type ExecutionEvent = z.infer<typeof executionEvent>;
