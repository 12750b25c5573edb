import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

export const queueStream = (kind: string): string => `queue/${kind}`;

const which = { kind: z.string().describe('The kind of work that waits in it, such as RETENTION') };

export const queueEvent = z.discriminatedUnion('type', [
  eventOf(
    'QueuePaused',
    'No work of the kind begins from now on; of SCHEDULER, no schedule starts any.',
    which,
  ),
  eventOf('QueueResumed', 'Work of the kind begins again.', which),
]);
export type QueueEvent = z.infer<typeof queueEvent>;
