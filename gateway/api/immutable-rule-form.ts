import { z } from 'zod';
import type { ImmutableRule, ImmutableRuleChange } from '../../domain/immutability/decider.ts';
import { tagDeed } from '../../domain/immutability/events.ts';
import type { ListedRule } from '../../projections/immutability/queries.ts';
import { badRequest } from './faults.ts';
import { readRepositorySelector, readTagSelector, selectorAnswer, selectorForm } from './selector-form.ts';

const action = 'immutable';
const template = 'immutable_template';

const forbids = z
  .array(tagDeed)
  .describe('What must not be done to a tag: `move`, `delete` or both; Harbor has both always');
const accessoryTags = z
  .boolean()
  .describe('Whether it is also for the tags of signatures and of lists of referrers: `sha256-….sig`');

/** Harbor's `ImmutableRule`, and what it does not have, which may be left out. */
export const immutableRuleForm = z.object({
  id: z.int().nullish(),
  disabled: z.boolean().nullish(),
  action: z.string().nullish(),
  template: z.string().nullish(),
  tag_selectors: z.array(selectorForm).nullish(),
  scope_selectors: z.object({ repository: z.array(selectorForm).nullish() }).nullish(),
  forbids: forbids.nullish(),
  accessory_tags: accessoryTags.nullish(),
});
export type ImmutableRuleForm = z.output<typeof immutableRuleForm>;

/** @throws RequestRefused 400 */
export function readImmutableRule(form: ImmutableRuleForm): ImmutableRuleChange {
  if ((form.action || action) !== action)
    throw badRequest(`the action of an immutable tag rule is ${action}`);
  if ((form.template || template) !== template)
    throw badRequest(`the template of an immutable tag rule is ${template}`);
  const [tags, ...moreTags] = form.tag_selectors ?? [];
  const [repositories, ...moreRepositories] = form.scope_selectors?.repository ?? [];
  // Harbor heeds the first of several, and whoever has written more relies on all of them.
  if (tags === undefined || repositories === undefined || moreTags.length + moreRepositories.length > 0)
    throw badRequest('an immutable tag rule has one tag selector and one repository selector');
  if (form.forbids?.length === 0)
    throw badRequest('an immutable tag rule forbids to move or to delete a tag');
  return {
    isDisabled: form.disabled ?? false,
    tags: readTagSelector(tags),
    repositories: readRepositorySelector(repositories),
    ...(form.forbids && { forbids: tagDeed.options.filter((deed) => form.forbids?.includes(deed)) }),
    ...(typeof form.accessory_tags === 'boolean' && { accessoryTags: form.accessory_tags }),
  };
}

/** What a new rule says that does not say it: as in Harbor, but that clients go on to sign. */
export const asNew = (rule: ImmutableRuleChange): ImmutableRule => ({
  forbids: tagDeed.options,
  accessoryTags: false,
  ...rule,
});

const selector = z.object(selectorAnswer).meta({ id: 'ImmutableSelector' });

export const immutableRuleAnswer = z
  .object({
    id: z.int(),
    priority: z.int(),
    disabled: z.boolean(),
    action: z.literal(action),
    template: z.literal(template),
    tag_selectors: z.array(selector),
    scope_selectors: z.object({ repository: z.array(selector) }),
    forbids,
    accessory_tags: accessoryTags,
  })
  .meta({ id: 'ImmutableRule' });

export function shownRule({ ruleId, isDisabled, tags, repositories, forbids, accessoryTags }: ListedRule) {
  const { extras, ...selected } = tags;
  return {
    id: ruleId,
    priority: 0,
    disabled: isDisabled,
    action,
    template,
    tag_selectors: [{ ...selected, ...(extras !== '' && { extras }) }],
    scope_selectors: { repository: [repositories] },
    forbids,
    accessory_tags: accessoryTags,
  } as const;
}
