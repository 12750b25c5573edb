import type { Database } from './connect.ts';
import { withNamedLocks } from './named-locks.ts';

/**
 * Runs `work` while no other process on this database runs any under the same name; undefined where one does. `lost` is
 * aborted when somebody else may begin, since this process was held up or the database is away.
 */
export type Alone = <Result>(work: (lost: AbortSignal) => Promise<Result>) => Promise<Result | undefined>;

export const aloneIn =
  (database: Database, name: string): Alone =>
  (work) =>
    withNamedLocks(database, async (locks, lost) => ((await locks.take(name)) ? work(lost) : undefined));
