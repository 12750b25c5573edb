import { z } from 'zod';
import { toldTypes } from './events.ts';

const id = z.int().positive();
const position = z.string().regex(/^\d{1,19}$/);

/** What the work of the kind WEBHOOK_REDELIVERY is asked for: the deliveries that meet all of it. */
export const redeliveryParameters = z.object({
  policy_id: id.optional(),
  project_id: id.optional().describe('Those of the policies of a project'),
  states: z.array(z.enum(['delivered', 'dead', 'skipped'])).min(1),
  event_type: z.enum(toldTypes).optional(),
  from: z.iso.datetime().optional(),
  to: z.iso.datetime().optional(),
  from_position: position.optional(),
  to_position: position.optional(),
  dead_since: z.iso.datetime().optional(),
  last_id: z.int().nonnegative().describe('The latest of those that there were when it was asked for'),
  count: z.int().nonnegative().describe('How many there were'),
});
export type RedeliveryParameters = z.infer<typeof redeliveryParameters>;
