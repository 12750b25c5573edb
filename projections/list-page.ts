import type { SelectQueryBuilder } from 'kysely';
import { type Columns, conditionsOf, type Filter, type Listing, maxRows, type Page } from './listing.ts';

/** The rows of `all` that meet every filter on one of `columns`. */
export const filtered = <DB, TB extends keyof DB, Row>(
  all: SelectQueryBuilder<DB, TB, Row>,
  filters: readonly Filter[],
  columns: Columns,
): SelectQueryBuilder<DB, TB, Row> =>
  conditionsOf(filters, columns).reduce((query, condition) => query.where(condition), all);

interface Count {
  executeTakeFirstOrThrow(): Promise<{ readonly total: string | bigint }>;
}

/** For rows of which there are never so many that counting them takes long. */
export const countOf = <DB, TB extends keyof DB>(all: SelectQueryBuilder<DB, TB, unknown>): Count =>
  all
    .clearSelect()
    .select(({ fn }) => fn.countAll<string>().as('total'))
    .$castTo<{ total: string }>();

/** The part of the rows of `page`, which are in their order, that is asked for, while `count` is asked beside it. */
export async function pageOf<DB, TB extends keyof DB, Row>(
  page: SelectQueryBuilder<DB, TB, Row>,
  count: Count,
  { offset, limit = maxRows }: Pick<Listing, 'offset' | 'limit'>,
): Promise<Page<Row>> {
  const [rows, { total }] = await Promise.all([
    page.offset(offset).limit(limit).execute(),
    count.executeTakeFirstOrThrow(),
  ]);
  return { rows: rows as Row[], total: Number(total) };
}
