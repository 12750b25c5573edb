import { z } from 'zod';
import { eventOf } from '../event-schema.ts';

export const garbageRunStream = (run: string): string => `gc-run/${run}`;

const run = z
  .string()
  .describe('The id of the run, which its other events have as their `correlationId`; a UUID');
const hours = z.number().nonnegative();
const count = z.int().nonnegative();

export const garbageCollectionEvent = z.discriminatedUnion('type', [
  eventOf(
    'GarbageCollectionStarted',
    'A run of the collector of garbage begins, or begins again after its process was lost.',
    {
      run,
      dryRun: z.boolean().describe('Whether it only says what it would do'),
      graceHours: hours.describe('For how long a blob is kept after the last that was done for it'),
      untagged: z.boolean().describe('Whether manifests without a tag go too'),
      untaggedGraceHours: hours.describe('For how long a manifest is kept after it lost what kept it'),
      delayHours: hours.describe('The time between a condemnation and the removal'),
      orphanHours: hours.describe('The age of stored bytes that no event names, from which on they go'),
    },
  ),
  eventOf('GarbageCollectionFinished', 'A run of the collector of garbage has ended.', {
    run,
    status: z
      .enum(['completed', 'stopped', 'failed'])
      .describe('`stopped` and `failed` runs leave the rest to the next one'),
    condemned: count.describe('Blobs and manifests that go later unless something needs them'),
    reprieved: count.describe('Those of which it turned out that they are needed'),
    blobs: count.describe('Blobs that a repository does not hold any more'),
    manifests: count.describe('Manifests that were removed'),
    orphans: count.describe('Stored bytes that no event named'),
    bytes: count.describe('The stored bytes that were deleted'),
    durationMs: count.describe('How long it took, in milliseconds'),
  }),
]);
export type GarbageCollectionEvent = z.infer<typeof garbageCollectionEvent>;
