import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

export const executionSweepStream = (taskId: number): string => `execution-sweep/${taskId}`;

export const executionSweepEvent = z.discriminatedUnion('type', [
  eventOf(
    'ExecutionsSwept',
    'Executions that ended long ago are not listed any more, nor are their tasks; what they did stays recorded.',
    {
      taskId: z.int().positive().describe('The number of the task that has swept'),
      executionIds: z.array(z.int().positive()).describe('The numbers of the executions'),
    },
  ),
]);
export type ExecutionSweepEvent = z.infer<typeof executionSweepEvent>;
