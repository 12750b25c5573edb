import type { Kysely } from 'kysely';
import type { ImmutableRule } from '../../domain/immutability/decider.ts';
import { countOf, filtered, pageOf } from '../list-page.ts';
import { type Columns, type Listing, orderOf, type Page } from '../listing.ts';
import type { ImmutabilityDatabase } from './projection.ts';

export interface ListedRule extends ImmutableRule {
  readonly ruleId: number;
  readonly projectId: number;
}

const ruleColumns = [
  'rule_id as ruleId',
  'project_id as projectId',
  'disabled as isDisabled',
  'rule',
] as const;

/**
 * All rules of a project of the name; there are not many. One that was made while the project was deleted is of that
 * project still, and not of the next one of the name.
 */
export async function rulesOf(
  db: Kysely<ImmutabilityDatabase>,
  project: string,
): Promise<readonly ListedRule[]> {
  const rows = await db.selectFrom('rules').select(ruleColumns).where('project', '=', project).execute();
  return rows.map(({ rule, ...row }) => ({ ...rule, ...row }));
}

/** The keys that lists of rules are filtered and sorted by. */
const columns: Columns = {
  id: { column: 'rule_id', type: 'integer' },
  disabled: { column: 'disabled', type: 'boolean' },
};

export async function listRules(
  db: Kysely<ImmutabilityDatabase>,
  projectId: number,
  listing: Listing,
): Promise<Page<ListedRule>> {
  const all = filtered(db.selectFrom('rules').where('project_id', '=', projectId), listing.filters, columns);
  const page = all.select(ruleColumns).orderBy(orderOf(listing, columns, ['rule_id']));
  // The rules of one project, by an index.
  const { rows, total } = await pageOf(page, countOf(all), listing);
  return { rows: rows.map(({ rule, ...row }) => ({ ...rule, ...row })), total };
}
