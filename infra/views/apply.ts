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
import { type Build, CheckpointMoved, isServing, progressChannel } from './checkpoints.ts';

/** A build that is being driven forward; `position` is its checkpoint as this process knows it. */
export interface Member extends Build {
  position: bigint;
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

/**
 * Runs `work` in a transaction whose durability may lag, since views can be built again from the log, and which may
 * take its time: a batch that a configured time-out cut short every time would never be applied.
 */
export async function inViewTransaction<Result>(
  client: ClientBase,
  work: () => Promise<Result>,
): Promise<Result> {
  await client.query('BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = 0');
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
  const moves = members
    .filter(({ position }) => position < upTo)
    .map((member) => ({ member, slice: sliceFor(catalogue, member, events) }));
  if (moves.length === 0) return;
  await inViewTransaction(client, async () => {
    await moveCheckpoints(client, moves, upTo);
    for (const { member, slice } of moves) {
      if (slice.length > 0) await member.projection.apply(new ViewTables(db, member.schema), slice);
    }
  });
  for (const { member } of moves) member.position = upTo;
}

interface Move {
  readonly member: Member;
  readonly slice: readonly RecordedEvent[];
}

/** What of `events` concerns the member and is still ahead of its checkpoint, in the current schema versions. */
function sliceFor(catalogue: Catalogue, { projection, position }: Member, events: readonly RecordedEvent[]) {
  const handled = new Set<string>(projection.handles);
  return events
    .filter((event) => handled.has(event.type) && event.position > position)
    .map((event) => upcast(catalogue, event));
}

/** First in the transaction: it takes the rows' locks, so that a rebuild cannot switch schemas in between. */
async function moveCheckpoints(client: ClientBase, moves: readonly Move[], upTo: bigint): Promise<void> {
  const awaited = moves.map(({ member }) => member).filter(isServing);
  const { rowCount } = await client.query({
    name: 'shiplog-views-checkpoint',
    text: `
      WITH moved AS (
        UPDATE views.checkpoints c
        SET position = $4, applied = c.applied + m.applied, stopped_at = NULL, last_error = NULL
        FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS m (schema, expected, applied)
        WHERE c.schema = m.schema AND c.position = m.expected
        RETURNING c.schema
      ), told AS (
        SELECT count(pg_notify('${progressChannel}', message)) FROM unnest($5::text[]) AS message
      )
      SELECT moved.schema FROM moved, told`,
    values: [
      moves.map(({ member }) => member.schema),
      moves.map(({ member }) => member.position),
      moves.map(({ slice }) => slice.length),
      upTo,
      awaited.length === 0
        ? []
        : [JSON.stringify(Object.fromEntries(awaited.map(({ schema }) => [schema, String(upTo)])))],
    ],
  });
  if (rowCount !== moves.length) throw new CheckpointMoved('a checkpoint was moved by another process');
}
