import type { ClientBase } from 'pg';
import { escapeIdentifier } from 'pg';
import { type AnyProjection, schemaOf } from '../database/projection.ts';
import { inViewTransaction, kyselyOn, type Member } from './apply.ts';
import { type Build, readCheckpoints, serving } from './checkpoints.ts';

/** Takes the session's lock on a schema: its holder alone applies events to it. False where another has it. */
export async function tryLock(client: ClientBase, schema: string): Promise<boolean> {
  const text = "SELECT pg_try_advisory_lock(hashtextextended('shiplog.view.' || $1, 0)) AS locked";
  const { rows } = await client.query(text, [schema]);
  return rows[0].locked;
}

export async function unlock(client: ClientBase, schema: string): Promise<void> {
  await client.query("SELECT pg_advisory_unlock(hashtextextended('shiplog.view.' || $1, 0))", [schema]);
}

/** Creates the schema and its checkpoint at position 0, unless they are there, and says where the build is. */
export async function prepare(client: ClientBase, { projection, schema }: Build): Promise<Member> {
  const known = (await readCheckpoints(client, [schema])).get(schema);
  if (known !== undefined) return { projection, schema, position: known.position };
  await inViewTransaction(client, async () => {
    await client.query(`DROP SCHEMA IF EXISTS ${escapeIdentifier(schema)} CASCADE`);
    await client.query(`CREATE SCHEMA ${escapeIdentifier(schema)}`);
    await projection.create(kyselyOn(client).withSchema(schema));
    await client.query('INSERT INTO views.checkpoints (schema, projection, version) VALUES ($1, $2, $3)', [
      schema,
      projection.name,
      projection.version,
    ]);
  });
  return { projection, schema, position: 0n };
}

/** Removes a schema and its checkpoint, if they are there. */
export async function discard(client: ClientBase, schema: string): Promise<void> {
  await inViewTransaction(client, async () => {
    await client.query(`DROP SCHEMA IF EXISTS ${escapeIdentifier(schema)} CASCADE`);
    await client.query('DELETE FROM views.checkpoints WHERE schema = $1', [schema]);
  });
}

/** A copy of the projection's tables under another schema name, which no query reads. */
export const beside = (projection: AnyProjection, purpose: 'replay' | 'verify'): Build => ({
  projection,
  schema: `${schemaOf(projection)}_${purpose}`,
});

/**
 * Puts a finished copy in the place of the serving tables, in one step: readers see the old rows until the commit
 * and the new ones from then on. The caller holds both checkpoints' row locks through `lockCheckpoint`, so that no
 * event is applied to the old tables meanwhile. The copy's checkpoint replaces the old one.
 */
export async function switchOver(client: ClientBase, copy: Build): Promise<void> {
  const target = serving(copy.projection).schema;
  await client.query(`DROP SCHEMA IF EXISTS ${escapeIdentifier(target)} CASCADE`);
  await client.query(`ALTER SCHEMA ${escapeIdentifier(copy.schema)} RENAME TO ${escapeIdentifier(target)}`);
  await client.query('DELETE FROM views.checkpoints WHERE schema = $1', [target]);
  await client.query('UPDATE views.checkpoints SET schema = $2 WHERE schema = $1', [copy.schema, target]);
}

/** Locks a serving checkpoint until the transaction ends, and returns its position; undefined where there is none. */
export async function lockCheckpoint(client: ClientBase, schema: string): Promise<bigint | undefined> {
  const { rows } = await client.query('SELECT position FROM views.checkpoints WHERE schema = $1 FOR UPDATE', [
    schema,
  ]);
  return rows[0] === undefined ? undefined : BigInt(rows[0].position);
}
