import {
  type CompiledQuery,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from 'kysely';
import type { ClientBase } from 'pg';
import { type Catalogue, upcast } from '../../domain/catalogue.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import { type ViewDatabase, ViewTables } from '../database/projection.ts';
import { type Build, progressChannel } from './checkpoints.ts';

/** A build that is being driven forward; `position` is its checkpoint as this process knows it. */
export interface Member extends Build {
  position: bigint;
}

/** Another process moved a checkpoint, for instance because it rebuilt the view: read it again. */
export class CheckpointMoved extends Error {
  override readonly name = 'CheckpointMoved';
}

/**
 * Kysely on one connection, inside transactions that the caller begins and ends: rows, checkpoint and the lock
 * that makes us the only applier then live and die with the same session.
 */
export function kyselyOn(client: ClientBase): ViewDatabase {
  return new Kysely({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
      createDriver: () => ({
        init: async () => undefined,
        destroy: async () => undefined,
        acquireConnection: async () => ({
          executeQuery: async ({ sql, parameters }: CompiledQuery) => {
            const { rows, rowCount } = await client.query(sql, [...parameters]);
            return { rows, numAffectedRows: BigInt(rowCount ?? 0) };
          },
          // biome-ignore lint/correctness/useYield: no view is applied by streaming.
          streamQuery: async function* () {
            throw new Error('a projection does not stream');
          },
        }),
        releaseConnection: async () => undefined,
        beginTransaction: () => Promise.reject(new Error('the applier holds the transaction')),
        commitTransaction: () => Promise.reject(new Error('the applier holds the transaction')),
        rollbackTransaction: () => Promise.reject(new Error('the applier holds the transaction')),
      }),
    },
  });
}

/** Runs `work` in a transaction whose durability may lag: views can be built again from the log. */
export async function inViewTransaction<Result>(
  client: ClientBase,
  work: () => Promise<Result>,
): Promise<Result> {
  await client.query('BEGIN; SET LOCAL synchronous_commit = off');
  try {
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // The session may be gone; then PostgreSQL has rolled back by itself and the first error tells more.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/**
 * Applies `events` to each member, and moves their checkpoints to `upTo`, in one transaction.
 * @throws CheckpointMoved when a member's checkpoint is not where this process left it; nothing is applied then.
 */
export async function applyBatch(
  client: ClientBase,
  db: ViewDatabase,
  catalogue: Catalogue,
  members: readonly Member[],
  events: readonly RecordedEvent[],
  upTo: bigint,
): Promise<void> {
  const slices = members.map((member) => sliceFor(catalogue, member, events));
  await inViewTransaction(client, async () => {
    await moveCheckpoints(client, members, slices, upTo);
    for (const [index, member] of members.entries()) {
      const slice = slices[index] ?? [];
      if (slice.length > 0) await member.projection.apply(new ViewTables(db, member.schema), slice);
    }
  });
  for (const member of members) if (member.position < upTo) member.position = upTo;
}

/** What of `events` concerns the member and is still ahead of its checkpoint, in the current schema versions. */
function sliceFor(catalogue: Catalogue, { projection, position }: Member, events: readonly RecordedEvent[]) {
  return events
    .filter((event) => event.position > position && projection.handles.includes(event.type))
    .map((event) => upcast(catalogue, event));
}

/** First in the transaction: it takes the rows' locks, so that a rebuild cannot switch schemas in between. */
async function moveCheckpoints(
  client: ClientBase,
  members: readonly Member[],
  slices: readonly (readonly RecordedEvent[])[],
  upTo: bigint,
): Promise<void> {
  const moved = members.filter(({ position }) => position < upTo);
  const progress = Object.fromEntries(moved.map(({ schema }) => [schema, String(upTo)]));
  const { rowCount } = await client.query({
    name: 'shiplog-views-checkpoint',
    text: `
      WITH moved AS (
        UPDATE views.checkpoints c
        SET position = $4, applied = c.applied + m.applied, stopped_at = NULL, last_error = NULL
        FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS m (schema, expected, applied)
        WHERE c.schema = m.schema AND c.position = m.expected
        RETURNING c.schema
      ), told AS (SELECT pg_notify('${progressChannel}', $5))
      SELECT moved.schema FROM moved, told`,
    values: [
      moved.map(({ schema }) => schema),
      moved.map(({ position }) => position),
      moved.map((member) => slices[members.indexOf(member)]?.length ?? 0),
      upTo,
      JSON.stringify(progress),
    ],
  });
  if (rowCount !== moved.length) throw new CheckpointMoved('a checkpoint was moved by another process');
}
