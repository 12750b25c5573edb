import { z } from 'zod';
import type { RetentionSettings } from '../../domain/retention/decider.ts';
import { maxRules, type RetentionRule, type Template, templates } from '../../domain/retention/rules.ts';
import { lengthOf, maxPatterns } from '../../domain/selector/selector.ts';
import type { RetentionPolicy } from '../../projections/retention/queries.ts';
import { badRequest, conflict } from './faults.ts';
import { readRepositorySelector, readTagSelector, selectorAnswer, selectorForm } from './selector-form.ts';

const text = z
  .string()
  .nullish()
  .transform((given) => given ?? '');
const list = <Item extends z.ZodType>(item: Item) =>
  z
    .array(item)
    .nullish()
    .transform((given) => given ?? []);

const ruleForm = z.object({
  priority: z.int().nullish(),
  disabled: z.boolean().nullish(),
  action: text,
  template: text,
  params: z.record(z.string(), z.unknown()).nullish(),
  tag_selectors: list(selectorForm),
  scope_selectors: z.object({ repository: list(selectorForm) }).nullish(),
});
type RuleForm = z.output<typeof ruleForm>;

/** What a policy is about, and its rules. */
const scopeForm = z.object({ level: text, ref: z.int().nullish() }).nullish();

/** Harbor's `RetentionPolicy`, as far as a request can say something. */
export const retentionForm = z.object({
  algorithm: text,
  scope: scopeForm,
  trigger: z.object({ kind: text, settings: z.object({ cron: text }).nullish() }).nullish(),
  rules: list(ruleForm),
});
export type RetentionForm = z.output<typeof retentionForm>;

/** The number of the project. @throws RequestRefused 400 */
export function readScope({ scope }: Pick<RetentionForm, 'scope'>): number {
  if (scope?.level !== 'project') throw badRequest(`scope ${scope?.level ?? ''} is not support`);
  if (!scope.ref || scope.ref < 0) throw badRequest(`invalid Project id ${scope.ref ?? 0}`);
  return scope.ref;
}

/** @param readCron what a cron that is not empty has to be. @throws RequestRefused 400, 409 */
export function readPolicy(
  { algorithm, trigger, rules }: RetentionForm,
  readCron: (cron: string) => string,
): RetentionSettings {
  if (!['', 'or'].includes(algorithm)) throw badRequest(`the algorithm of a policy is or, not ${algorithm}`);
  if (trigger != null && !['', 'Schedule'].includes(trigger.kind))
    throw badRequest(`the kind of a trigger is Schedule, not ${trigger.kind}`);
  const cron = trigger?.settings?.cron ?? '';
  return { rules: readRules(rules), cron: cron === '' ? '' : readCron(cron) };
}

/** @throws RequestRefused 400, 409 */
export function readRules(forms: RetentionForm['rules']): readonly RetentionRule[] {
  if (forms.length > maxRules) throw badRequest(`only ${maxRules} rules are allowed at most`);
  const rules = forms.map(readRule);
  if (lengthOf(rules.flatMap(({ tags, repositories }) => [...tags, ...repositories])) > maxPatterns)
    throw badRequest(`the patterns of a policy have at most ${maxPatterns} characters together`);
  const written = rules.map((rule) => JSON.stringify(rule));
  for (const [place, rule] of written.entries()) {
    const first = written.indexOf(rule);
    if (first !== place) throw conflict(`rule ${place} is conflict with rule ${first}`);
  }
  return rules;
}

function readRule(form: RuleForm, place: number): RetentionRule {
  const of = `the rule ${place + 1}`;
  const { action, priority, disabled, tag_selectors: tags } = form;
  const repositories = form.scope_selectors?.repository ?? [];
  if (!['', 'retain'].includes(action)) throw badRequest(`the action of ${of} is retain, not ${action}`);
  const template = templates.find((each) => each === form.template);
  if (template === undefined)
    throw badRequest(`the template of ${of} is one of ${templates.join(', ')}, not ${form.template}`);
  if (tags.length === 0) throw badRequest(`${of} has no tag selector`);
  if (repositories.length === 0) throw badRequest(`${of} has no selector of repositories`);
  if (tags.length + repositories.length > maxSelectors)
    throw badRequest(`${of} has more than ${maxSelectors} selectors`);
  return {
    template,
    value: numberFor(template, form.params ?? {}, of),
    disabled: disabled ?? false,
    priority: priority ?? 0,
    tags: tags.map(readTagSelector),
    repositories: repositories.map(readRepositorySelector),
  };
}

/** One of each is what clients send. */
const maxSelectors = 10;
/** More than a hundred years, as with Harbor; and more artifacts than a repository has. */
const maxDays = 40_000;
const maxCount = 1_000_000_000;

function numberFor(template: Template, params: Readonly<Record<string, unknown>>, of: string): number | null {
  if (template === 'always') return null;
  const value = Object.hasOwn(params, template) ? params[template] : undefined;
  const max = template.startsWith('nDays') ? maxDays : maxCount;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max)
    throw badRequest(`${of} needs params.${template}, a whole number from 0 to ${max}`);
  return value;
}

const ruleAnswer = z
  .object({
    id: z.int().describe('Its place, from 1'),
    priority: z.int(),
    disabled: z.boolean(),
    action: z.literal('retain'),
    template: z.enum(templates),
    params: z.record(z.string(), z.int()).describe('The number that the template takes, under its name'),
    tag_selectors: z.array(z.object(selectorAnswer)),
    scope_selectors: z.object({ repository: z.array(z.object(selectorAnswer)) }),
  })
  .meta({ id: 'RetentionRule' });

/** How policies are shown. */
export const retentionAnswer = z
  .object({
    id: z.int(),
    algorithm: z.literal('or'),
    scope: z.object({ level: z.literal('project'), ref: z.int().describe('The number of the project') }),
    trigger: z.object({
      kind: z.literal('Schedule'),
      settings: z.object({
        cron: z.string().describe('Six fields in UTC; empty for never'),
        next_scheduled_time: z.iso.datetime().optional(),
      }),
      references: z.object({ job_id: z.int().optional().describe('The number of the schedule') }),
    }),
    rules: z.array(ruleAnswer),
  })
  .meta({ id: 'RetentionPolicy' });

export const shownRule = (
  { template, value, tags, repositories, ...rule }: RetentionRule,
  place: number,
) => ({
  id: place + 1,
  priority: rule.priority,
  disabled: rule.disabled,
  action: 'retain' as const,
  template,
  params: value === null ? {} : { [template]: value },
  tag_selectors: tags,
  scope_selectors: { repository: repositories },
});

/** @param schedule what the clock starts it by, where there is such a thing */
export const shownPolicy = (
  { policyId, projectId, rules, cron }: RetentionPolicy,
  schedule: { readonly scheduleId: number; readonly next: Date | undefined } | undefined,
) => ({
  id: policyId,
  algorithm: 'or' as const,
  scope: { level: 'project' as const, ref: projectId },
  trigger: {
    kind: 'Schedule' as const,
    settings: { cron, ...(schedule?.next !== undefined && { next_scheduled_time: schedule.next }) },
    references: { ...(schedule !== undefined && { job_id: schedule.scheduleId }) },
  },
  rules: rules.map(shownRule),
});

const selectorMetadata = z.object({
  display_text: z.string(),
  kind: z.string(),
  decorations: z.array(z.string()),
});
export const retentionMetadataAnswer = z
  .object({
    templates: z.array(
      z.object({
        rule_template: z.string(),
        display_text: z.string(),
        action: z.string(),
        params: z.array(z.object({ type: z.string(), unit: z.string(), required: z.boolean() })),
      }),
    ),
    scope_selectors: z.array(selectorMetadata),
    tag_selectors: z.array(selectorMetadata),
  })
  .meta({ id: 'RetentionMetadata' });

const template = (rule_template: Template, display_text: string, unit?: string) => ({
  ...{ rule_template, display_text, action: 'retain' },
  params: unit === undefined ? [] : [{ type: 'int', unit, required: true }],
});

/** In Harbor's words, which its portal translates. */
export const retentionMetadata: z.output<typeof retentionMetadataAnswer> = {
  templates: [
    template('latestPushedK', 'the most recently pushed # artifacts', 'COUNT'),
    template('latestPulledN', 'the most recently pulled # artifacts', 'COUNT'),
    template('nDaysSinceLastPull', 'pulled within the last # days', 'DAYS'),
    template('nDaysSinceLastPush', 'pushed within the last # days', 'DAYS'),
    template('always', 'always'),
  ],
  scope_selectors: [
    { display_text: 'Repositories', kind: 'doublestar', decorations: ['repoMatches', 'repoExcludes'] },
  ],
  tag_selectors: [{ display_text: 'Tags', kind: 'doublestar', decorations: ['matches', 'excludes'] }],
};
