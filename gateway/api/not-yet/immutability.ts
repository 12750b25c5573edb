import type { FastifyInstance } from 'fastify';
import type { Access } from '../access.ts';
import { badRequest, notFound } from '../faults.ts';
import { emptyList, notYetRoutes, refused } from './not-yet.ts';

const unknownRule = refused(({ immutable_rule_id }) =>
  notFound(`immutable tag rule ${immutable_rule_id} not found`),
);

const rules = '/projects/:project_name_or_id/immutabletagrules';
const rule = `${rules}/:immutable_rule_id`;

/** Harbor's `immutable` operations. */
export function immutabilityRoutes(api: FastifyInstance, access: Access): void {
  notYetRoutes(api, access, 'immutable', [
    {
      id: 'ListImmuRules',
      method: 'GET',
      path: rules,
      summary: 'The rules by which tags of a project keep what they name.',
      for: { project: 'immutable-tag:list' },
      answer: emptyList,
    },
    {
      id: 'CreateImmuRule',
      method: 'POST',
      path: rules,
      summary: 'Creates a rule.',
      for: { project: 'immutable-tag:create' },
      answer: refused(() => badRequest('tags cannot be immutable yet')),
    },
    {
      id: 'UpdateImmuRule',
      method: 'PUT',
      path: rule,
      summary: 'Changes a rule.',
      for: { project: 'immutable-tag:update' },
      answer: unknownRule,
    },
    {
      id: 'DeleteImmuRule',
      method: 'DELETE',
      path: rule,
      summary: 'Deletes a rule.',
      for: { project: 'immutable-tag:delete' },
      answer: unknownRule,
    },
  ]);
}
