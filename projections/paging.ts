import { sql } from 'kysely';
import type { Digest } from '../domain/digest.ts';
import type { ViewDatabase } from '../infra/database/projection.ts';

/** A place in the order in which all blobs or manifests are gone through; both are '' before the first. */
export interface Place {
  readonly repository: string;
  readonly digest: string;
}

/** What was found between one place and the next; `next` is undefined at the end. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: Place | undefined;
  /** How many rows were looked at. */
  readonly seen: number;
}

/** How many rows a page looks at, be they wanted or not: no query takes long, however many there are. */
export const pageRows = 1000;

/** Where the page after `rows` begins. */
export function nextOf(rows: readonly Place[]): Place | undefined {
  const last = rows.at(-1);
  return last === undefined || rows.length < pageRows
    ? undefined
    : { repository: last.repository, digest: last.digest };
}

/**
 * Up to `limit` places after `after` in the repositories of the project, of the rows of `table`, which has both columns
 * as its key.
 */
export async function placesIn(
  db: ViewDatabase,
  table: string,
  { project, after, limit }: { readonly project: string; readonly after: Place; readonly limit: number },
): Promise<{ readonly repository: string; readonly digest: Digest }[]> {
  // Two questions, since one with OR would go through the repositories that are between in the order of bytes.
  const found = await Promise.all(
    [
      sql<boolean>`repository = ${project}`,
      // `0` follows `/`, so these are all names that begin with the project and a slash.
      sql<boolean>`repository > ${`${project}/`} AND repository < ${`${project}0`}`,
    ].map((ofProject) =>
      db
        .selectFrom(table)
        .select(['repository', 'digest'])
        .where(ofProject)
        .where(({ eb, refTuple, tuple }) =>
          eb(refTuple('repository', 'digest'), '>', tuple(after.repository, after.digest)),
        )
        .orderBy('repository')
        .orderBy('digest')
        .limit(limit)
        .execute(),
    ),
  );
  return found.flat().slice(0, limit);
}

/** `hours` before now, by the clock of the database. */
export const hoursAgo = (hours: number) => sql<Date>`now() - make_interval(secs => ${hours * 3600})`;

/** A condition on rows with the columns `repository` and `column`, which is a digest: to be one of `places`. */
export const among = (places: readonly Place[], column = 'digest') =>
  sql<boolean>`(repository, ${sql.ref(column)}) IN (
    SELECT r COLLATE "C", d COLLATE "C" FROM unnest(
      ${places.map(({ repository }) => repository)}::text[],
      ${places.map(({ digest }) => digest)}::text[]) AS place(r, d))`;

/** A condition on rows with the column `repository`: to be of one repository, or of those of one project. */
export const isWithin = (of: { readonly repository: string } | { readonly project: string }) =>
  'repository' in of
    ? sql<boolean>`repository = ${of.repository}`
    : // `0` follows `/`, so these are all names that begin with the project and a slash.
      sql<boolean>`repository >= ${`${of.project}/`} AND repository < ${`${of.project}0`}`;

/** Those of `places` that one of `rows` is of. */
export function those<At extends Place>(places: readonly At[], rows: readonly Place[]): At[] {
  const nameOf = ({ repository, digest }: Place) => `${repository}@${digest}`;
  const names = new Set(rows.map(nameOf));
  return places.filter((place) => names.has(nameOf(place)));
}
