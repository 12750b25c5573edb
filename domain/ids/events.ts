import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

/** What the management API numbers, and the first number that is given away; those before are taken. */
const firstIds = {
  // 1 is the administrator, 2 stands for everybody without a name, as clients of Harbor know it.
  user: 3,
  // 1 is the project library.
  project: 2,
  // 1 is the administrator in library.
  member: 2,
  robot: 1,
  'user-group': 1,
  label: 1,
  'access-token': 1,
  'immutable-rule': 1,
  webhook: 1,
  // Of deliveries, each number stands for a block of them.
  'webhook-delivery-block': 1,
  retention: 1,
  execution: 1,
  task: 1,
  schedule: 1,
} as const;
export type IdKind = keyof typeof firstIds;

export const idsStream = (kind: IdKind): string => `ids/${kind}`;

/** The number that belongs to the event at `revision` of its stream. */
export const idAt = (kind: IdKind, revision: bigint): number => Number(revision) + firstIds[kind];

export const idsEvent = z.discriminatedUnion('type', [
  eventOf('IdAllocated', 'A number was given away, whether or not it was used in the end.', {
    kind: z
      .string()
      .describe(
        'What the number is for: user, project, member, robot, label, user-group, access-token, immutable-rule, webhook, webhook-delivery-block, retention, execution, task or schedule',
      ),
    id: z.int().positive().describe('The number; it follows from the revision of the event'),
  }),
]);
export type IdsEvent = z.infer<typeof idsEvent>;
