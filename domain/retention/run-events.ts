import { z } from 'zod';
import { digest } from '../digest.ts';
import { eventOf } from '../event-schema.ts';
import { maxRules, retentionRule } from './rules.ts';

/** One stream a task, so that whoever ends it after a crash says it once. */
export const retentionRunStream = (taskId: number): string => `retention-run/${taskId}`;

/** How many of the artifacts that went are told. */
export const maxToldArtifacts = 100;

export const retentionRunEvent = z.discriminatedUnion('type', [
  eventOf(
    'RetentionApplied',
    'A run of the rules of a project has removed artifacts of a repository. Each of them has an event of its own.',
    {
      policyId: z.int().positive().describe('The number that the management API shows'),
      project: z.string().describe('The project'),
      projectId: z.int().positive().describe('The number of that project'),
      executionId: z.int().positive().describe('The number of the run'),
      taskId: z.int().positive().describe('The number of its task for the repository'),
      trigger: z.enum(['MANUAL', 'SCHEDULE', 'EVENT']).describe('What asked for it'),
      repository: z.string().describe('The full name of the repository'),
      rules: z.array(retentionRule).max(maxRules).describe('What was kept: what any of these keeps'),
      total: z.int().nonnegative().describe('How many artifacts there were'),
      retained: z.int().nonnegative().describe('How many of them have stayed'),
      deleted: z
        .array(
          z.object({
            digest: digest.describe('The digest of its manifest'),
            tags: z.array(z.string()).describe('Its tags, of many not all'),
          }),
        )
        .max(maxToldArtifacts)
        .describe('What was removed, of many not all'),
    },
  ),
]);
export type RetentionRunEvent = z.infer<typeof retentionRunEvent>;
export type AppliedRetention = RetentionRunEvent['data'];
