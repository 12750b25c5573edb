import { z } from 'zod';
import { eventOf } from '../event-schema.ts';
import { maxRules, retentionRule } from './rules.ts';

export const retentionStream = (policyId: number): string => `retention/${policyId}`;

const which = {
  policyId: z.int().positive().describe('The number that the management API shows'),
  project: z.string().describe('The project whose artifacts it is about'),
  projectId: z.int().positive().describe('The number of that project'),
};
const what = {
  rules: z
    .array(retentionRule)
    .max(maxRules)
    .describe('What is kept: an artifact that any of these keeps; their numbers are their places, from 1'),
  cron: z.string().describe('When it runs by itself, in six fields; empty for never'),
};

export const retentionEvent = z.discriminatedUnion('type', [
  eventOf(
    'RetentionPolicyCreated',
    'A project has rules about which artifacts it keeps; a run of them removes the others.',
    { ...which, ...what },
  ),
  eventOf('RetentionPolicyChanged', 'Other rules, or another time, count from the next run on.', {
    ...which,
    ...what,
  }),
  eventOf('RetentionPolicyDeleted', 'A project keeps all of its artifacts again.', which),
]);
export type RetentionEvent = z.infer<typeof retentionEvent>;
