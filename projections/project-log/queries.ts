import type { Kysely } from 'kysely';
import { type Columns, conditionsOf, type Listing, maxRows, orderOf, type Page } from '../listing.ts';
import type { ProjectLogDatabase } from './projection.ts';

export interface LogEntry {
  /** The position of the event. */
  readonly id: number;
  /** Without the prefix of a robot. */
  readonly username: string;
  readonly isRobot: boolean;
  readonly operation: string;
  readonly resourceType: string;
  readonly resource: string;
  readonly description: string;
  readonly at: Date;
}

const columns: Columns = {
  id: { column: 'id', type: 'long' },
  username: { column: 'username', type: 'text' },
  operation: { column: 'operation', type: 'text' },
  resource: { column: 'resource', type: 'text' },
  resourcetype: { column: 'resource_type', type: 'text' },
  optime: { column: 'at', type: 'time' },
};

/** The entries of the project, the newest first; they are counted to 10,000. */
export async function listProjectLog(
  db: Kysely<ProjectLogDatabase>,
  project: string,
  listing: Listing,
): Promise<Page<LogEntry>> {
  const all = conditionsOf(listing.filters, columns).reduce(
    (query, condition) => query.where(condition),
    db
      .selectFrom('entries')
      .where('project', '=', project)
      .where(({ eb, selectFrom }) =>
        eb('id', '>=', selectFrom('beginnings').select('position').where('project', '=', project)),
      ),
  );
  const [rows, { total }] = await Promise.all([
    all
      .selectAll()
      .orderBy(orderOf(listing, columns, []))
      .orderBy('id', 'desc')
      .offset(listing.offset)
      .limit(listing.limit ?? maxRows)
      .execute(),
    db
      .selectFrom(all.select('id').limit(maxRows).as('counted'))
      .select(({ fn }) => fn.countAll<string>().as('total'))
      .executeTakeFirstOrThrow(),
  ]);
  return {
    rows: rows.map(({ id, is_robot, resource_type, push: _, project: __, ...row }) => ({
      ...{ ...row, id: Number(id), isRobot: is_robot, resourceType: resource_type },
    })),
    total: Number(total),
  };
}
