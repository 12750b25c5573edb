import { type RawBuilder, sql } from 'kysely';
import { schemaOf } from '../../infra/database/projection.ts';
import { type PullsDatabase, pulls } from './projection.ts';

/*
 * Parts of the questions of other views, which run in the same database: an artifact, a tag or a repository is shown with
 * its pulls in one question, however many there are.
 */

const table = (name: keyof PullsDatabase) => sql.table(`${schemaOf(pulls)}.${name}`);

/**
 * When an artifact or a tag was pulled last; NULL for never.
 * @param row the name, in the question, of the table that has its columns `repository`, `digest` or `tag`, and as `id`
 * the position from which on pulls are its own.
 */
export const lastPullOf = (of: 'artifacts' | 'tags', row: string): RawBuilder<Date | null> => {
  const name = of === 'artifacts' ? 'digest' : 'tag';
  return sql<Date | null>`(
    SELECT pull.pulled_at FROM ${table(of)} pull
    WHERE pull.repository = ${sql.ref(`${row}.repository`)} AND pull.${sql.ref(name)} = ${sql.ref(`${row}.${name}`)}
      AND pull.position > ${sql.ref(`${row}.id`)})`;
};

/** The same for lists to sort and filter by: what was never pulled was so at the beginning of time, as with Harbor. */
export const pullTimeOf = (of: 'artifacts' | 'tags', row: string): RawBuilder<Date> =>
  sql<Date>`coalesce(${lastPullOf(of, row)}, '0001-01-01 00:00:00Z'::timestamptz)`;

/** How often a repository was pulled from; `row` is the name of the table that has its `name`. */
export const pullCountOf = (row: string): RawBuilder<string> =>
  sql<string>`coalesce((SELECT pull.count FROM ${table('repositories')} pull WHERE pull.name = ${sql.ref(`${row}.name`)}), 0)`;
