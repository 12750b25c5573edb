import { type RawBuilder, type SqlBool, sql } from 'kysely';
import { escaped } from './like.ts';

/** What a list is asked for: which rows, in which order, and which part of them. */
export interface Listing {
  readonly filters: readonly Filter[];
  readonly sort: readonly { readonly key: string; readonly descending: boolean }[];
  readonly offset: number;
  /** Undefined for all. */
  readonly limit: number | undefined;
}

/** On the column that `key` names; of keys that name none nothing is asked. */
export type Filter = { readonly key: string } & (
  | { readonly kind: 'is' | 'contains'; readonly value: string }
  | { readonly kind: 'any' | 'all'; readonly values: readonly string[] }
  | {
      readonly kind: 'range';
      readonly from: string | undefined;
      readonly to: string | undefined;
      /** Whether the bounds themselves are not meant. */
      readonly isOpen?: boolean;
    }
);

/** Who asks for everything gets this many at most, and goes on by pages. */
export const maxRows = 10_000;

/** The part that was asked for, and how many there are in all. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly total: number;
}

export type ColumnType = 'text' | 'integer' | 'long' | 'boolean' | 'time';
/** By key, in lower case and without underscores; see `keyOf`. */
export type Columns = Readonly<Record<string, { readonly column: Column; readonly type: ColumnType }>>;
/** A name, or an expression in its place. */
type Column = string | RawBuilder<unknown>;
const sqlOf = (column: Column) => (typeof column === 'string' ? sql.ref(column) : column);

/** Clients write `project_id` and `ProjectID` for the same. */
export const keyOf = (written: string): string => written.replaceAll('_', '').toLowerCase();

/** One condition for each filter on a column that there is. */
export function conditionsOf(filters: readonly Filter[], columns: Columns): RawBuilder<SqlBool>[] {
  return filters.flatMap((filter) => {
    const found = Object.hasOwn(columns, keyOf(filter.key)) ? columns[keyOf(filter.key)] : undefined;
    return found === undefined ? [] : [conditionOf(filter, found.column, found.type)];
  });
}

/** The columns to order by, those of `standard` last. */
export function orderOf(
  { sort }: Pick<Listing, 'sort'>,
  columns: Columns,
  standard: readonly string[],
): RawBuilder<unknown>[] {
  const asked = sort.flatMap(({ key, descending }) => {
    const found = Object.hasOwn(columns, keyOf(key)) ? columns[keyOf(key)] : undefined;
    if (found === undefined) return [];
    return [descending ? sql`${sqlOf(found.column)} DESC` : sqlOf(found.column)];
  });
  return [...asked, ...standard.map((column) => sql`${sql.ref(column)}`)];
}

function conditionOf(filter: Filter, column: Column, type: ColumnType): RawBuilder<SqlBool> {
  const at = sqlOf(column);
  switch (filter.kind) {
    case 'is': {
      const value = comparable(filter.value, type);
      return value === undefined ? sql<SqlBool>`false` : sql<SqlBool>`${at} = ${value}`;
    }
    case 'contains':
      return containing(column, filter.value);
    case 'any': {
      const values = filter.values
        .map((value) => comparable(value, type))
        .filter((value) => value !== undefined);
      return values.length === 0 ? sql<SqlBool>`false` : sql<SqlBool>`${at} IN (${sql.join(values)})`;
    }
    // Of what has one value: labels, which are many, are no column.
    case 'all': {
      const each = filter.values.map((value) =>
        conditionOf({ key: filter.key, kind: 'is', value }, column, type),
      );
      return sql<SqlBool>`(${sql.join(each, sql` AND `)})`;
    }
    case 'range': {
      const bounds = [
        ...(filter.from === undefined
          ? []
          : [{ operator: filter.isOpen ? sql`>` : sql`>=`, text: filter.from }]),
        ...(filter.to === undefined ? [] : [{ operator: filter.isOpen ? sql`<` : sql`<=`, text: filter.to }]),
      ].map(({ operator, text }) => {
        const value = comparable(text, type);
        return value === undefined ? sql<SqlBool>`false` : sql<SqlBool>`${at} ${operator} ${value}`;
      });
      return sql<SqlBool>`(${sql.join(bounds, sql` AND `)})`;
    }
  }
}

/** In any case of its letters. */
export const containing = (column: Column, part: string): RawBuilder<SqlBool> =>
  sql<SqlBool>`${sqlOf(column)}::text ILIKE ${`%${escaped(part)}%`}`;

const flags: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);
const maxInteger = 2 ** 31 - 1;

/** Undefined for what no row of the column can be equal to, and PostgreSQL would refuse to compare. */
function comparable(text: string, type: ColumnType): string | number | boolean | Date | undefined {
  switch (type) {
    case 'text':
      return text;
    case 'integer': {
      const value = /^-?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
      return Math.abs(value) <= maxInteger ? value : undefined;
    }
    case 'long': {
      const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
      return Number.isSafeInteger(value) ? value : undefined;
    }
    case 'boolean':
      return flags.get(text.toLowerCase());
    case 'time': {
      // Without a zone it is UTC, as everywhere in the API.
      const value = new Date(/[zZ]|[+-]\d\d:\d\d$/.test(text) ? text : `${text}Z`);
      const year = value.getUTCFullYear();
      return year >= 1 && year <= 9999 ? value : undefined;
    }
  }
}
