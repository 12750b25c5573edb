import { z } from 'zod';
import { eventOf } from '../event-schema.ts';
import { repositorySelector, tagSelector } from '../selector/selector.ts';

/** By number and not by name of the project, so that the next project of the name begins without any. */
export const immutabilityStream = (projectId: number): string => `immutability/${projectId}`;

/** What a rule keeps a tag from. */
export const tagDeed = z.enum(['move', 'delete']);
export type TagDeed = z.infer<typeof tagDeed>;

const which = {
  ruleId: z.int().positive().describe('The number that the management API shows'),
  project: z.string().describe('The project whose tags it is for'),
  projectId: z.int().positive().describe('The number of that project'),
};
const rule = {
  isDisabled: z.boolean().describe('Whether it keeps nothing for now'),
  repositories: repositorySelector.describe('The repositories that it is for'),
  tags: tagSelector.describe('The tags that it is for, in those repositories'),
  forbids: z.array(tagDeed).describe('What must not be done to such a tag: move, delete or both'),
  accessoryTags: z
    .boolean()
    .describe(
      'Whether it is also for the tags under which clients keep signatures and the list of referrers',
    ),
};

export const immutabilityEvent = z.discriminatedUnion('type', [
  eventOf('ImmutableRuleCreated', 'Tags of a project are immutable by a new rule.', { ...which, ...rule }),
  eventOf('ImmutableRuleChanged', 'A rule of immutability says something else.', { ...which, ...rule }),
  eventOf('ImmutableRuleDeleted', 'A rule of immutability is gone.', which),
]);
export type ImmutabilityEvent = z.infer<typeof immutabilityEvent>;
