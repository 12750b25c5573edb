import { z } from 'zod';
import { repositorySelector, tagSelector } from '../selector/selector.ts';

/** What a rule keeps of the artifacts that it selects, in Harbor's words; all but `always` take a number. */
export const templates = [
  'latestPushedK',
  'latestPulledN',
  'nDaysSinceLastPush',
  'nDaysSinceLastPull',
  'always',
] as const;
export type Template = (typeof templates)[number];

export const maxRules = 15;

export const retentionRule = z.object({
  template: z.enum(templates).describe('What it keeps of what it selects'),
  value: z.int().min(0).nullable().describe('How many artifacts or days; null for always'),
  disabled: z.boolean().describe('Whether it does not count'),
  priority: z.int().describe('As it was given; nothing depends on it'),
  tags: z.array(tagSelector).describe('What it is about: the artifacts that all of these select'),
  repositories: z.array(repositorySelector).describe('Where it counts: in what all of these select'),
});
export type RetentionRule = z.infer<typeof retentionRule>;
