import { z } from 'zod';
import { digest } from '../digest.ts';
import { eventOf } from '../event-schema.ts';

/** By number and not by name of the project, so that the next project of the name begins with what it is given. */
export const quotaStream = (projectId: number): string => `quota/${projectId}`;
/** Apart from what is decided, which nobody could read any more where a client does not give up. */
export const quotaRefusalsStream = (projectId: number): string => `quota-refusals/${projectId}`;

const which = {
  projectId: z.int().positive().describe('The number of the project'),
  project: z.string().describe('Its name'),
};
const storage = z.int().describe('How many bytes the project may hold, -1 for any number');
const used = z.int().nonnegative().describe('How many bytes it holds, each blob and manifest counted once');

export const quotaEvent = z.discriminatedUnion('type', [
  eventOf('QuotaSet', 'A project may hold another number of bytes from now on.', { ...which, storage }),
  eventOf('QuotaWarned', 'A project has come to hold 85 % of what it may, or more.', {
    ...which,
    storage,
    used,
  }),
  eventOf('QuotaEased', 'A project holds less again than 85 % of what it may.', { ...which, storage, used }),
]);
export type QuotaEvent = z.infer<typeof quotaEvent>;

export const quotaRefusalEvent = z.discriminatedUnion('type', [
  eventOf(
    'QuotaExceeded',
    'A push was refused, since the project would hold more than it may. Of many in a short time one is recorded.',
    {
      ...which,
      repository: z.string().describe('Where it was pushed to'),
      digest: digest
        .nullable()
        .describe('The digest of the blob or manifest; null where the client had not told it yet'),
      adding: z.int().nonnegative().describe('Its bytes, as far as they were known'),
      used,
      storage,
    },
  ),
]);
export type QuotaRefusalEvent = z.infer<typeof quotaRefusalEvent>;

export const quotaExceededUpcasters = [
  // Nothing was refused before its digest was known.
  (data: Record<string, unknown>): Record<string, unknown> => data,
];
