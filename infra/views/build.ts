import type { ClientBase } from 'pg';
import { escapeIdentifier } from 'pg';
import { type AnyProjection, schemaOf } from '../database/projection.ts';
import { inViewTransaction, kyselyOn, type Member } from './apply.ts';
import {
  announceRestart,
  type Build,
  CheckpointMoved,
  clearStop,
  isServing,
  readCheckpoints,
  serving,
} from './checkpoints.ts';

/**
 * Takes the session's lock on a schema: its holder alone applies events to it. False where another session has it.
 * PostgreSQL counts how often a session takes a lock, so whoever has it does not ask again.
 */
export async function tryLock(client: ClientBase, schema: string): Promise<boolean> {
  const text = "SELECT pg_try_advisory_lock(hashtextextended('shiplog.view.' || $1, 0)) AS locked";
  const { rows } = await client.query(text, [schema]);
  return rows[0].locked;
}

export async function unlock(client: ClientBase, schema: string): Promise<void> {
  await client.query("SELECT pg_advisory_unlock(hashtextextended('shiplog.view.' || $1, 0))", [schema]);
}

/** Whether all of `schemas` and the checkpoints are there; somebody may drop them at any time. */
export async function areThere(client: ClientBase, schemas: readonly string[]): Promise<boolean> {
  const { rows } = await client.query(
    `SELECT to_regclass('views.checkpoints') IS NOT NULL
       AND NOT EXISTS (SELECT FROM unnest($1::text[]) AS name WHERE to_regnamespace(quote_ident(name)) IS NULL)
       AS there`,
    [schemas],
  );
  return rows[0].there;
}

/**
 * Says where the build is, for who holds its lock and drives it from there: if it had stopped, it runs again. Where
 * its schema or its checkpoint is missing, both are created, at position 0.
 */
export async function prepare(client: ClientBase, build: Build): Promise<Member> {
  const { projection, schema } = build;
  const known = (await readCheckpoints(client, [schema])).get(schema);
  if (known !== undefined && (await areThere(client, [schema]))) {
    if (known.stoppedAt !== null) await clearStop(client, schema);
    return { projection, schema, position: known.position };
  }
  await inViewTransaction(client, async () => {
    await dropBuild(client, schema);
    await client.query(`CREATE SCHEMA ${escapeIdentifier(schema)}`);
    await projection.create(kyselyOn(client).withSchema(schema));
    await client.query('INSERT INTO views.checkpoints (schema, projection, version) VALUES ($1, $2, $3)', [
      schema,
      projection.name,
      projection.version,
    ]);
    if (isServing(build)) await announceRestart(client, schema);
  });
  return { projection, schema, position: 0n };
}

/** Tells PostgreSQL what the tables hold, which it would find out a minute later: until then its plans are for empty ones. */
export async function gatherStatistics(client: ClientBase, schema: string): Promise<void> {
  const { rows } = await client.query('SELECT tablename FROM pg_tables WHERE schemaname = $1', [schema]);
  for (const { tablename } of rows)
    await client.query(`ANALYZE ${escapeIdentifier(schema)}.${escapeIdentifier(tablename)}`);
}

/** Removes a schema and its checkpoint, if they are there. */
export const discard = (client: ClientBase, schema: string): Promise<void> =>
  inViewTransaction(client, () => dropBuild(client, schema));

async function dropBuild(client: ClientBase, schema: string): Promise<void> {
  await client.query(`DROP SCHEMA IF EXISTS ${escapeIdentifier(schema)} CASCADE`);
  await client.query('DELETE FROM views.checkpoints WHERE schema = $1', [schema]);
}

/** A copy of the projection's tables under another schema name, which no query reads. */
export const beside = (projection: AnyProjection, purpose: 'replay' | 'verify'): Build => ({
  projection,
  schema: `${schemaOf(projection)}_${purpose}`,
});

/** The lock of who makes a copy of what is served in `schema`, for whatever purpose. */
export const copyingLock = (schema: string): string => `${schema}.rebuild`;

/**
 * Puts a finished copy in the place of the serving tables, in one step: readers see the old rows until the commit
 * and the new ones from then on. The copy's checkpoint replaces the old one, whose lock the caller holds through
 * `lockCheckpoint`, so that no event is applied to the old tables meanwhile.
 * @throws CheckpointMoved when the copy is not at its position any more, since somebody else builds it now.
 */
export async function switchOver(client: ClientBase, copy: Member): Promise<void> {
  const target = serving(copy.projection).schema;
  if ((await lockCheckpoint(client, copy.schema)) !== copy.position)
    throw new CheckpointMoved(`${copy.schema} was built anew by another process`);
  await client.query(`DROP SCHEMA IF EXISTS ${escapeIdentifier(target)} CASCADE`);
  await client.query(`ALTER SCHEMA ${escapeIdentifier(copy.schema)} RENAME TO ${escapeIdentifier(target)}`);
  await client.query('DELETE FROM views.checkpoints WHERE schema = $1', [target]);
  await client.query('UPDATE views.checkpoints SET schema = $2 WHERE schema = $1', [copy.schema, target]);
  await announceRestart(client, target);
}

/** Locks a checkpoint until the transaction ends, and returns its position; undefined where there is none. */
export async function lockCheckpoint(client: ClientBase, schema: string): Promise<bigint | undefined> {
  const text = 'SELECT position FROM views.checkpoints WHERE schema = $1 FOR UPDATE';
  const { rows } = await client.query(text, [schema]);
  return rows[0] === undefined ? undefined : BigInt(rows[0].position);
}
