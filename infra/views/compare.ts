import { type ClientBase, escapeIdentifier } from 'pg';

/** The first row, in the order of the primary key, that one side has otherwise or not at all; rows as text. */
export interface Difference {
  readonly table: string;
  readonly serving: string | null;
  readonly rebuilt: string | null;
}

const fetchRows = 1000;

const qualified = (schema: string, table: string): string =>
  `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`;

/** A digest of each table's rows that does not depend on their order; tables by name, in order. */
export async function tableDigests(client: ClientBase, schema: string): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  const { rows: tables } = await client.query(
    "SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r' ORDER BY relname",
    [escapeIdentifier(schema)],
  );
  for (const { relname } of tables) {
    // Both halves of each row's md5, summed: a sum needs no order and no memory.
    const half = (from: number) =>
      `coalesce(sum(('x' || substr(md5(t::text), ${from}, 16))::bit(64)::bigint::numeric), 0)`;
    const { rows } = await client.query(
      `SELECT md5(count(*) || ' ' || ${half(1)} || ' ' || ${half(17)}) AS digest FROM ${qualified(schema, relname)} t`,
    );
    digests.set(relname, rows[0].digest);
  }
  return digests;
}

/** Compares one table in two schemas, each seen by the transaction of its own connection. */
export async function firstDifference(
  table: string,
  serving: { readonly client: ClientBase; readonly schema: string },
  rebuilt: { readonly client: ClientBase; readonly schema: string },
): Promise<Difference | null> {
  const [ours, theirs] = [rowsInOrder(serving, table), rowsInOrder(rebuilt, table)];
  for (;;) {
    const [a, b] = [await ours.next(), await theirs.next()];
    if (a.done && b.done) return null;
    if (a.value !== b.value) return { table, serving: a.value ?? null, rebuilt: b.value ?? null };
  }
}

async function* rowsInOrder(
  { client, schema }: { readonly client: ClientBase; readonly schema: string },
  table: string,
): AsyncGenerator<string, undefined> {
  const { rows: keys } = await client.query(
    `SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indrelid = $1::regclass AND i.indisprimary ORDER BY array_position(i.indkey::int2[], a.attnum)`,
    [qualified(schema, table)],
  );
  const order = keys.map(({ attname }) => escapeIdentifier(attname)).join(', ');
  const cursor = escapeIdentifier(`rows of ${schema}`);
  await client.query(
    `DECLARE ${cursor} CURSOR FOR SELECT t::text AS row FROM ${qualified(schema, table)} t ORDER BY ${order}`,
  );
  try {
    for (;;) {
      const { rows } = await client.query(`FETCH ${fetchRows} FROM ${cursor}`);
      for (const { row } of rows) yield row;
      if (rows.length < fetchRows) return undefined;
    }
  } finally {
    await client.query(`CLOSE ${cursor}`);
  }
}
