import { type ClientBase, escapeIdentifier } from 'pg';

/** The first row, in the order of the primary key, that one side has otherwise or not at all; rows as text. */
export interface Difference {
  readonly table: string;
  readonly serving: string | null;
  readonly rebuilt: string | null;
}

/** One side of a comparison, as the transaction of its connection sees it. */
interface Side {
  readonly client: ClientBase;
  readonly schema: string;
}

const fetchRows = 1000;

const qualified = (schema: string, table: string): string =>
  `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`;

/** Types whose equal values are written alike, so that PostgreSQL's own hash of a value says as much as its text. */
const hashable = `'bool, bytea, date, int2, int4, int8, text, timestamp, timestamptz, uuid, varchar'`;

/** A digest of each table's rows that does not depend on their order; tables by name, in order. */
export async function tableDigests(client: ClientBase, schema: string): Promise<Map<string, string>> {
  const { rows: tables } = await client.query(
    `SELECT relname AS name, array_agg(
       CASE WHEN typname = ANY (string_to_array(${hashable}, ', ')) THEN quote_ident(attname)
         ELSE quote_ident(attname) || '::text' END ORDER BY attnum
     ) AS columns
     FROM pg_class t JOIN pg_attribute ON attrelid = t.oid AND attnum > 0 AND NOT attisdropped
       JOIN pg_type ON pg_type.oid = atttypid
     WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition GROUP BY relname ORDER BY relname`,
    [escapeIdentifier(schema)],
  );
  const digests = new Map<string, string>();
  for (const { name, columns } of tables) {
    // Two hashes of each row, summed: a sum needs no order and no memory. Five times as fast as md5 of the row's text.
    const sumOf = (seed: number) =>
      `coalesce(sum(hash_record_extended(ROW(${columns.join(', ')}), ${seed})::numeric), 0)`;
    const { rows } = await client.query(
      `SELECT md5(count(*) || ' ' || ${sumOf(1)} || ' ' || ${sumOf(2)}) AS digest FROM ${qualified(schema, name)}`,
    );
    digests.set(name, rows[0].digest);
  }
  return digests;
}

/** Compares one table in two schemas. */
export async function firstDifference(
  table: string,
  serving: Side,
  rebuilt: Side,
): Promise<Difference | null> {
  const [ours, theirs] = [rowsInOrder(serving, table), rowsInOrder(rebuilt, table)];
  for (;;) {
    const [{ value: a }, { value: b }] = [await ours.next(), await theirs.next()];
    if (a === undefined && b === undefined) return null;
    if (a?.row === b?.row) continue;
    // Under different keys one side lacks the row of the other, namely of the key that comes first.
    const isMissing = a !== undefined && a.key !== b?.key && !(await holdsKey(rebuilt, table, a.key));
    const isExtra = b !== undefined && a?.key !== b.key && !isMissing;
    return {
      table,
      serving: isExtra ? null : (a?.row ?? null),
      rebuilt: isMissing ? null : (b?.row ?? null),
    };
  }
}

interface Row {
  readonly key: string;
  readonly row: string;
}

async function* rowsInOrder({ client, schema }: Side, table: string): AsyncGenerator<Row, undefined> {
  const keys = await primaryKey({ client, schema }, table);
  const cursor = escapeIdentifier(`rows of ${schema}`);
  await client.query(
    `DECLARE ${cursor} CURSOR FOR SELECT ${keyText(keys)} AS key, t::text AS row
     FROM ${qualified(schema, table)} t ORDER BY ${keys.join(', ')}`,
  );
  for (;;) {
    const { rows } = await client.query(`FETCH ${fetchRows} FROM ${cursor}`);
    yield* rows;
    if (rows.length < fetchRows) return undefined;
  }
}

async function holdsKey({ client, schema }: Side, table: string, key: string): Promise<boolean> {
  const keys = await primaryKey({ client, schema }, table);
  const { rows } = await client.query(
    `SELECT EXISTS (SELECT FROM ${qualified(schema, table)} t WHERE ${keyText(keys)} = $1) AS held`,
    [key],
  );
  return rows[0].held;
}

const keyText = (keys: readonly string[]): string => `json_build_array(${keys.join(', ')})::text`;

/** The columns of the primary key in its order; a table without one is ordered by its whole rows. */
async function primaryKey({ client, schema }: Side, table: string): Promise<readonly string[]> {
  const { rows } = await client.query(
    `SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indrelid = $1::regclass AND i.indisprimary ORDER BY array_position(i.indkey::int2[], a.attnum)`,
    [qualified(schema, table)],
  );
  return rows.length === 0 ? ['t::text'] : rows.map(({ attname }) => escapeIdentifier(attname));
}
