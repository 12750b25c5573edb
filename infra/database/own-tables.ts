import type pg from 'pg';
import { isBeingBuilt } from './projection.ts';

const uniqueViolation = '23505';

/**
 * Makes what is made only if it is not there. Of two processes that create a schema at once PostgreSQL fails one, though it
 * has waited for the other's lock: it has in mind that there was none. The second time it sees it.
 */
export async function makeWithOthers<Result>(make: () => Promise<Result>): Promise<Result> {
  try {
    return await make();
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== uniqueViolation) throw error;
    return make();
  }
}

/** Tables beside the views that no projection fills, and that are made when they are not there. */
export interface OwnTables {
  make(): Promise<void>;
  /** Once more on new tables where they were not there: `work` has had no effect then. */
  within<Result>(work: () => Promise<Result>): Promise<Result>;
  ask<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<pg.QueryResult<Row>>;
}

/**
 * Who drops the views' database drops these tables too, and the server goes on.
 * @param schema statements that leave alone what is there. They are one transaction, and its first one a lock: "if not
 * exists" does not keep PostgreSQL from creating twice for processes that start at once.
 * @param isOutdated whether an error tells that the tables are there in an older form
 */
export function ownTables(
  pool: pg.Pool,
  schema: string,
  isOutdated: (error: unknown) => boolean = () => false,
): OwnTables {
  const make = async (): Promise<void> => {
    await makeWithOthers(() => pool.query(schema));
  };

  async function within<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (!isBeingBuilt(error) && !isOutdated(error)) throw error;
      await make();
      return work();
    }
  }

  return { make, within, ask: (text, values) => within(() => pool.query(text, [...values])) };
}
