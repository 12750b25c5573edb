import { readdirSync, readFileSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { runningPostgres } from '../../infra/database/embedded-postgres.ts';
import { clusterName } from '../../infra/database/postgres-orphans.ts';

/** The process id of the PostgreSQL that runs on a data directory. */
export async function postmasterOf(dataDirectory: string): Promise<number> {
  const file = join(dataDirectory, 'postgres', 'cluster', 'postmaster.pid');
  return Number((await readFile(file, 'utf8')).split('\n')[0]);
}

/** The command lines of all processes that belong to a data directory's PostgreSQL, its guard too. Linux only. */
export async function postgresProcessesOf(dataDirectory: string): Promise<string[]> {
  const cluster = join(await realpath(dataDirectory), 'postgres', 'cluster');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => commandLine(pid))
    .filter((line) => line.includes(`postgres: ${clusterName(cluster)}`) || line.includes(`-D ${cluster}`));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // It has ended meanwhile.
  }
}

/** The rows of one statement on a database of the PostgreSQL that runs on a data directory. */
export async function queryPostgres(
  dataDirectory: string,
  database: string,
  statement: string,
): Promise<Record<string, unknown>[]> {
  const connection = await runningPostgres(join(dataDirectory, 'postgres'));
  const client = new pg.Client(connection(database));
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}
