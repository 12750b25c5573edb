import type { FastifyInstance } from 'fastify';
import type { changeImmutableRule } from '../../commands/change-immutable-rule.ts';
import type { createImmutableRule } from '../../commands/create-immutable-rule.ts';
import type { deleteImmutableRule } from '../../commands/delete-immutable-rule.ts';
import { lockedOf } from '../../commands/locked-tags.ts';
import { locksOf } from '../../domain/immutability/locks.ts';
import type { listRules, rulesOf } from '../../projections/immutability/queries.ts';
import type { Access } from './access.ts';
import { creates, lists, nothing } from './answer-forms.ts';
import { badRequest } from './faults.ts';
import {
  asNew,
  immutableRuleAnswer,
  immutableRuleForm,
  readImmutableRule,
  shownRule,
} from './immutable-rule-form.ts';
import { operation } from './operation.ts';
import type { Command, Query } from './ports.ts';

export interface ImmutabilityPorts {
  readonly listRules: Query<typeof listRules>;
  readonly rulesOf: Query<typeof rulesOf>;
  readonly createRule: Command<typeof createImmutableRule>;
  readonly changeRule: Command<typeof changeImmutableRule>;
  readonly deleteRule: Command<typeof deleteImmutableRule>;
  /** Resolves when the rules are shown, and heeded, as they were at the position. */
  reached(position: bigint): Promise<void>;
}

const tag = 'immutable';
const rules = '/projects/:project_name_or_id/immutabletagrules';
const rule = `${rules}/:immutable_rule_id` as const;

/** Harbor's `immutable` operations. */
export function immutabilityRoutes(
  api: FastifyInstance,
  immutability: ImmutabilityPorts,
  access: Access,
): void {
  operation(
    api,
    {
      id: 'ListImmuRules',
      tag,
      method: 'GET',
      path: rules,
      summary: 'The rules by which tags of a project keep what they name.',
      answer: lists(immutableRuleAnswer),
    },
    async ({ request, listing }) => {
      const { project } = await access.inProject(request, 'immutable-tag:list');
      const { rows, total } = await immutability.listRules(project.projectId, listing);
      return { rows: rows.map(shownRule), total };
    },
  );

  operation(
    api,
    {
      id: 'CreateImmuRule',
      tag,
      method: 'POST',
      path: rules,
      summary: 'Creates a rule, which is heeded from then on.',
      body: immutableRuleForm,
      answer: creates,
    },
    async ({ request, body }) => {
      const { project, metadata } = await access.inProject(request, 'immutable-tag:create');
      const created = await immutability.createRule(
        { project, rule: asNew(readImmutableRule(await body())) },
        metadata,
      );
      await immutability.reached(created.position);
      return { id: created.ruleId };
    },
  );

  operation(
    api,
    {
      id: 'UpdateImmuRule',
      tag,
      method: 'PUT',
      path: rule,
      summary: 'Changes a rule; who switches it on or off changes nothing else of it.',
      body: immutableRuleForm,
      answer: nothing,
    },
    async ({ request, path: { immutable_rule_id: ruleId }, body }) => {
      const { project, metadata } = await access.inProject(request, 'immutable-tag:update');
      const form = await body();
      if ((form.id ?? 0) !== ruleId)
        throw badRequest('the immutable_rule_id does not match the id in the body of the rule');
      const change = { ruleId, project, rule: readImmutableRule(form) };
      await immutability.reached(await immutability.changeRule(change, metadata));
    },
  );

  operation(
    api,
    {
      id: 'DeleteImmuRule',
      tag,
      method: 'DELETE',
      path: rule,
      summary: 'Deletes a rule.',
      answer: nothing,
    },
    async ({ request, path: { immutable_rule_id: ruleId } }) => {
      const { project, metadata } = await access.inProject(request, 'immutable-tag:delete');
      await immutability.reached(await immutability.deleteRule({ ruleId, project }, metadata));
    },
  );
}

/** Whether a rule is for a tag of a repository. */
export type IsImmutable = (repository: string, tag: string) => boolean;
export const notAsked: IsImmutable = () => false;

/** Of the tags, by their repositories, all of one project, whose rules are asked for once. */
export async function immutableAmong(
  { rulesOf }: Pick<ImmutabilityPorts, 'rulesOf'>,
  { name, projectId }: { readonly name: string; readonly projectId: number },
  tags: ReadonlyMap<string, readonly string[]>,
): Promise<IsImmutable> {
  const found = (await rulesOf(name)).filter((each) => each.projectId === projectId);
  const locked = new Map<string, ReadonlySet<string>>();
  for (const [repository, names] of tags)
    locked.set(repository, await lockedOf(locksOf(repository, found), names));
  return (repository, tag) => locked.get(repository)?.has(tag) ?? false;
}
