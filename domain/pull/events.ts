import { z } from 'zod';
import { digest } from '../digest.ts';
import { eventOf } from '../event-schema.ts';

/** One stream a day: nothing is decided on it, and nobody can fill a stream of his own choice. */
export const pullsStream = (at: Date): string => `pulls/${at.toISOString().slice(0, 10)}`;

/** By whom and from where stands in the metadata. They guard nothing, and are recorded in the background. */
export const pullEvent = z.discriminatedUnion('type', [
  eventOf('ArtifactPulled', 'Somebody has read a manifest in order to have what it describes.', {
    repository: z.string().describe('The full name of the repository'),
    projectId: z.int().positive().describe('The number of its project'),
    digest: digest.describe('The manifest that was answered'),
    tag: z.string().optional().describe('The tag that was asked for; absent for who asked by digest'),
    pulledAt: z.iso.datetime().describe('When; it was recorded a moment later'),
    times: z
      .int()
      .min(2)
      .optional()
      .describe('How often the same was done from the same place within a moment; absent for once'),
    timed: z.boolean().describe('Whether the settings let it count as the last pull of the artifact'),
    counted: z.boolean().describe('Whether the settings let it count among the pulls of the repository'),
  }),
]);
export type PullEvent = z.infer<typeof pullEvent>;
export type Pulled = PullEvent['data'];
