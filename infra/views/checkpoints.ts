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

/** The channel on which an applier tells other processes what it committed: `{"<schema>":"<position>"}`. */
export const progressChannel = 'shiplog_views';

type Queryable = Pick<ClientBase, 'query'>;

/** One projection's tables in one schema: the serving ones, or a copy that is built beside them. */
export interface Build {
  readonly projection: AnyProjection;
  readonly schema: string;
}

export const serving = (projection: AnyProjection): Build => ({ projection, schema: schemaOf(projection) });

/** Creates what is missing of the views' own table. */
export async function createCheckpoints(client: Queryable): Promise<void> {
  await client.query(checkpointsSchema);
}

export interface Checkpoint {
  readonly position: bigint;
  readonly applied: bigint;
}

export async function readCheckpoints(
  client: Queryable,
  schemas: readonly string[],
): Promise<Map<string, Checkpoint>> {
  const { rows } = await client.query('SELECT * FROM views.checkpoints WHERE schema = ANY ($1)', [schemas]);
  return new Map(
    rows.map((row) => [row.schema, { position: BigInt(row.position), applied: BigInt(row.applied) }]),
  );
}

export async function readStatus(
  client: Queryable,
  projections: readonly AnyProjection[],
): Promise<ProjectionStatus[]> {
  const schemas = projections.map(schemaOf);
  const { rows } = await client.query('SELECT * FROM views.checkpoints WHERE schema = ANY ($1)', [schemas]);
  const bySchema = new Map<string, QueryResultRow>(rows.map((row) => [row.schema, row]));
  return projections
    .map((projection) => {
      const row = bySchema.get(schemaOf(projection));
      return {
        name: projection.name,
        version: projection.version,
        position: BigInt(row?.position ?? 0),
        applied: BigInt(row?.applied ?? 0),
        stoppedAt: row?.stopped_at == null ? null : BigInt(row.stopped_at),
        lastError: row?.last_error ?? null,
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

export async function recordStop(
  client: Queryable,
  schema: string,
  position: bigint,
  error: string,
): Promise<void> {
  await client.query('UPDATE views.checkpoints SET stopped_at = $2, last_error = $3 WHERE schema = $1', [
    schema,
    position,
    // PostgreSQL takes no NUL in text, and an error may quote anything.
    error.replaceAll('\0', '\uFFFD').slice(0, 2000),
  ]);
}
