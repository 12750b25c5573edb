import type { Kysely } from 'kysely';
import type { RetentionRule } from '../../domain/retention/rules.ts';
import type { RetentionDatabase } from './projection.ts';

export interface RetentionPolicy {
  readonly policyId: number;
  readonly project: string;
  readonly projectId: number;
  readonly rules: readonly RetentionRule[];
  /** Six fields; empty for never. */
  readonly cron: string;
}

export async function findRetentionPolicy(
  db: Kysely<RetentionDatabase>,
  policyId: number,
): Promise<RetentionPolicy | undefined> {
  const row = await db
    .selectFrom('policies')
    .selectAll()
    .where('policy_id', '=', policyId)
    .executeTakeFirst();
  return row && policyIn(row);
}

/** The one policy of a project. */
export async function findRetentionPolicyOf(
  db: Kysely<RetentionDatabase>,
  projectId: number,
): Promise<RetentionPolicy | undefined> {
  const row = await db
    .selectFrom('policies')
    .selectAll()
    .where('project_id', '=', projectId)
    .orderBy('policy_id', 'desc')
    .executeTakeFirst();
  return row && policyIn(row);
}

const policyIn = (row: RetentionDatabase['policies']): RetentionPolicy => ({
  policyId: row.policy_id,
  project: row.project,
  projectId: row.project_id,
  rules: JSON.parse(row.rules),
  cron: row.cron,
});
