import type { ClientBase, QueryResultRow } from 'pg';
import { type AnyProjection, schemaOf } from '../database/projection.ts';
import type { ProjectionStatus } from './port.ts';

/** `views.checkpoints`: how far each schema of a projection has come. It lives and dies with the views' database. */
export const checkpointsSchema = `
SELECT pg_advisory_xact_lock(hashtextextended('shiplog.views.schema', 0));
CREATE SCHEMA IF NOT EXISTS views;
CREATE TABLE IF NOT EXISTS views.checkpoints (
  schema text PRIMARY KEY,
  projection text NOT NULL,
  version integer NOT NULL,
  position bigint NOT NULL DEFAULT 0,
  applied bigint NOT NULL DEFAULT 0,
  stopped_at bigint,
  last_error text
);
`;

/**
 * The channel on which an applier tells other processes what it committed: `{"<schema>":"<position>"}`, or
 * `{"<schema>":null}` where the checkpoint is to be read again, since the view stopped or starts over.
 */
export const progressChannel = 'shiplog_views';

type Queryable = Pick<ClientBase, 'query'>;

/** One projection's tables in one schema: the serving ones, or a copy that is built beside them. */
export interface Build {
  readonly projection: AnyProjection;
  readonly schema: string;
}

export const serving = (projection: AnyProjection): Build => ({ projection, schema: schemaOf(projection) });

/** Whether queries read this build, so that somebody waits for its progress. */
export const isServing = ({ projection, schema }: Build): boolean => schema === schemaOf(projection);

/** Another process moved a checkpoint, for instance because it rebuilt the view: read it again. */
export class CheckpointMoved extends Error {
  override readonly name = 'CheckpointMoved';
}

/** Creates what is missing of the views' own table. */
export async function createCheckpoints(client: Queryable): Promise<void> {
  await client.query(checkpointsSchema);
}

export interface Checkpoint {
  readonly position: bigint;
  readonly applied: bigint;
  readonly stoppedAt: bigint | null;
  readonly lastError: string | null;
}

/** The checkpoints by schema: those of `schemas`, or all. */
export async function readCheckpoints(
  client: Queryable,
  schemas?: readonly string[],
): Promise<Map<string, Checkpoint>> {
  const { rows } = await client.query(
    'SELECT * FROM views.checkpoints WHERE $1::text[] IS NULL OR schema = ANY ($1)',
    [schemas ?? null],
  );
  return new Map(rows.map((row) => [row.schema, checkpointFrom(row)]));
}

const checkpointFrom = (row: QueryResultRow): Checkpoint => ({
  position: BigInt(row.position),
  applied: BigInt(row.applied),
  stoppedAt: row.stopped_at === null ? null : BigInt(row.stopped_at),
  lastError: row.last_error,
});

const noCheckpoint: Checkpoint = { position: 0n, applied: 0n, stoppedAt: null, lastError: null };

export async function readStatus(
  client: Queryable,
  projections: readonly AnyProjection[],
): Promise<ProjectionStatus[]> {
  const checkpoints = await readCheckpoints(client, projections.map(schemaOf));
  return projections
    .map(({ name, version }) => ({
      name,
      version,
      ...(checkpoints.get(schemaOf({ name, version })) ?? noCheckpoint),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Records that the build, which stands at `position`, cannot apply the event at `stoppedAt`.
 * @throws CheckpointMoved when it stands elsewhere by now.
 */
export async function recordStop(
  client: Queryable,
  { schema, position }: { readonly schema: string; readonly position: bigint },
  stoppedAt: bigint,
  error: unknown,
): Promise<void> {
  const { rowCount } = await client.query(
    `WITH stopped AS (
       UPDATE views.checkpoints SET stopped_at = $3, last_error = $4
       WHERE schema = $1 AND position = $2 RETURNING schema
     )
     SELECT pg_notify('${progressChannel}', json_build_object(schema, NULL)::text) FROM stopped`,
    // PostgreSQL takes no NUL in text, and an error may quote anything.
    [schema, position, stoppedAt, String(error).replaceAll('\0', '\uFFFD').toWellFormed().slice(0, 2000)],
  );
  if (rowCount === 0) throw new CheckpointMoved(`the checkpoint of ${schema} was moved by another process`);
}

/** The build is tried again. */
export async function clearStop(client: Queryable, schema: string): Promise<void> {
  await client.query('UPDATE views.checkpoints SET stopped_at = NULL, last_error = NULL WHERE schema = $1', [
    schema,
  ]);
  await announceRestart(client, schema);
}

/** Makes the processes that wait for this view read its checkpoint again. */
export async function announceRestart(client: Queryable, schema: string): Promise<void> {
  await client.query(`SELECT pg_notify('${progressChannel}', json_build_object($1::text, NULL)::text)`, [
    schema,
  ]);
}
