import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import type { AuditDatabase } from './projection.ts';

export const inTime = (descending: boolean) => (descending ? sql`at DESC, id DESC` : sql`at, id`);

export const allOf = (conditions: readonly RawBuilder<SqlBool>[]) =>
  sql.join([sql`true`, ...conditions], sql` AND `);

export interface Branches {
  readonly types: readonly string[];
  /** Undefined for whatever project it is, or none. */
  readonly projectIds: readonly number[] | undefined;
  readonly conditions: readonly RawBuilder<SqlBool>[];
}

/** A FROM of rows `e`; `part` ends the question for each type and project, whose rows an index has in their order. */
export function branches(
  db: Kysely<AuditDatabase>,
  { types, projectIds, conditions }: Branches,
  part: RawBuilder<unknown>,
) {
  const isOfAny = projectIds === undefined;
  return sql`
    FROM unnest(${[...types]}::text[]) AS t(type)
    ${isOfAny ? sql`` : sql`CROSS JOIN unnest(${[...projectIds]}::integer[]) AS p(project_id)`}, LATERAL (
      SELECT * FROM ${db.selectFrom('entries').selectAll()} e
      WHERE e.type = t.type COLLATE "C" ${isOfAny ? sql`` : sql`AND e.project_id = p.project_id`}
        AND ${allOf(conditions)} ${part}
    ) e`;
}
