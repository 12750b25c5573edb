import { join } from 'node:path';
import pg from 'pg';
import { runningPostgres } from '../../infra/database/embedded-postgres.ts';
import type { TestServer } from '../server.ts';

/**
 * The rows in which `text` stands, in whatever column of whatever table of a database, its statistics among them; each with the
 * name of the table before it.
 */
export async function rowsIn(connection: pg.ClientConfig, text: string): Promise<readonly string[]> {
  const found: string[] = [];
  const client = new pg.Client(connection);
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind IN ('r', 'm') ORDER BY 1",
    );
    for (const { name } of tables) {
      const { rows } = await client.query<{ row: string }>(
        `SELECT left(t::text, 400) AS row FROM ${name} t WHERE t::text ILIKE '%' || $1 || '%' LIMIT 3`,
        [text],
      );
      found.push(...rows.map(({ row }) => `${name}: ${row}`));
    }
  } finally {
    await client.end();
  }
  return found;
}

/** The same in the databases of a server that runs its own PostgreSQL. */
export async function rowsWith({ dataDirectory }: TestServer, text: string): Promise<readonly string[]> {
  const connection = await runningPostgres(join(dataDirectory, 'postgres'));
  const found = [];
  for (const database of ['shiplog_views', 'shiplog_log'])
    found.push(...(await rowsIn(connection(database), text)));
  return found;
}
