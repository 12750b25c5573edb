import { sql } from 'kysely';

/** A place in the order in which all blobs or manifests are gone through; both are '' before the first. */
export interface Place {
  readonly repository: string;
  readonly digest: string;
}

/** What was found between one place and the next; `next` is undefined at the end. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: Place | undefined;
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

/** `hours` before now, by the clock of the database. */
export const hoursAgo = (hours: number) => sql<Date>`now() - make_interval(secs => ${hours * 3600})`;

/** A condition on rows with the columns `repository` and `digest`: to be one of `places`. */
export const among = (places: readonly Place[]) =>
  sql<boolean>`(repository, digest) IN (
    SELECT r COLLATE "C", d COLLATE "C" FROM unnest(
      ${places.map(({ repository }) => repository)}::text[],
      ${places.map(({ digest }) => digest)}::text[]) AS place(r, d))`;

/** Those of `places` that one of `rows` is of. */
export function those<At extends Place>(places: readonly At[], rows: readonly Place[]): At[] {
  const nameOf = ({ repository, digest }: Place) => `${repository}@${digest}`;
  const names = new Set(rows.map(nameOf));
  return places.filter((place) => names.has(nameOf(place)));
}
