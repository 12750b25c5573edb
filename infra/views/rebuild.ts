import { setTimeout as sleep } from 'node:timers/promises';
import type { PoolClient } from 'pg';
import type { Catalogue } from '../../domain/catalogue.ts';
import type { Database } from '../database/connect.ts';
import type { AnyProjection } from '../database/projection.ts';
import type { EventLog } from '../event-log/port.ts';
import { inViewTransaction, type Member } from './apply.ts';
import {
  beside,
  copyingLock,
  discard,
  gatherStatistics,
  lockCheckpoint,
  prepare,
  switchOver,
  tryLock,
} from './build.ts';
import { createCheckpoints, readCheckpoints, serving } from './checkpoints.ts';
import { type Difference, firstDifference, tableDigests } from './compare.ts';
import { Lane, type Stop } from './lane.ts';
import { readAhead } from './read-ahead.ts';
import { onOwnSession } from './session.ts';

/**
 * How long the exchange of the tables waits for queries that read the old ones; new queries queue behind it, and
 * PostgreSQL looks for deadlocks after twice that time. Milliseconds.
 */
const switchWaitMs = 500;
/** How often the exchange is tried: a backup may read a table for minutes. */
const switchAttempts = 300;
/** A process that is held up in the middle of the exchange stops the views for this long. Milliseconds. */
const stalledSwitchMs = 60_000;
/**
 * Readers hold the serving tables, or, where there were none to lock, the server has just made them: `lock_not_available`,
 * `unique_violation`, `duplicate_schema`.
 */
const busy = new Set(['55P03', '23505', '42P06']);

export interface RebuildOptions {
  readonly log: EventLog;
  readonly database: Database;
  readonly catalogue: Catalogue;
  readonly projections: readonly AnyProjection[];
  /** Called after each batch; `events` were read so far, up to `position` of about `head`. */
  readonly onProgress: (progress: {
    readonly position: bigint;
    readonly head: bigint;
    readonly events: number;
  }) => void;
}

/** What a rebuild found of one projection. */
export interface Rebuilt {
  readonly projection: AnyProjection;
  /** Where the served and the rebuilt rows were compared, or where the copy ends if nothing was served. */
  readonly position: bigint;
  /** Whether rows were served before, so that there was something to compare with. */
  readonly served: boolean;
  /** The digest of each rebuilt table's rows at `position`. */
  readonly tables: ReadonlyMap<string, string>;
  readonly difference: Difference | null;
}

/** A projection cannot apply an event, so that its copy cannot be finished. */
export class RebuildStopped extends Error {
  override readonly name = 'RebuildStopped';
  constructor({ member, event, error }: Stop) {
    super(`${member.projection.name} cannot apply ${event.type} at position ${event.position}: ${error}`, {
      cause: error,
    });
  }
}

/** Another process is replaying or verifying the same projection. */
export class RebuildRunning extends Error {
  override readonly name = 'RebuildRunning';
}

/**
 * Builds each projection from the log alone beside the tables that serve, compares the two at one position, and then
 * puts the new tables in the place of the old in one step. Requests are answered from the old ones until then.
 * @throws RebuildStopped @throws RebuildRunning
 */
export const replayViews = (options: RebuildOptions): Promise<Rebuilt[]> =>
  rebuild(options, 'replay', async (copy, reader) => {
    await copy.catchUp(await options.log.head());
    await exchange(copy, reader);
  });

/**
 * Builds each projection beside the tables that serve and compares the two at one position. Nothing that serves is
 * changed or held up. @throws RebuildStopped @throws RebuildRunning
 */
export const verifyViews = (options: RebuildOptions): Promise<Rebuilt[]> =>
  rebuild(options, 'verify', async () => undefined);

interface Copy {
  readonly member: Member;
  /** Applies the events after the copy's position, up to and including `position`. */
  catchUp(position: bigint): Promise<void>;
}

function rebuild(
  options: RebuildOptions,
  purpose: 'replay' | 'verify',
  finish: (copy: Copy, reader: PoolClient) => Promise<void>,
): Promise<Rebuilt[]> {
  const { log, database, catalogue, projections } = options;
  let events = 0;
  return onOwnSession(database, (builder) => onOwnSession(database, (reader) => build(builder, reader)));

  async function build(builder: PoolClient, reader: PoolClient): Promise<Rebuilt[]> {
    await createCheckpoints(builder);
    for (const projection of projections) await lockOut(builder, projection);
    const builds = projections.map((projection) => beside(projection, purpose));
    try {
      const members: Member[] = [];
      for (const build of builds) {
        await discard(builder, build.schema);
        members.push(await prepare(builder, build));
      }
      const results = await compareAll(members, builder, reader);
      for (const member of members)
        await finish({ member, catchUp: (position) => drive(builder, [member], position) }, reader);
      return results;
    } finally {
      // Where the connection is lost they are left over, and the next rebuild discards them.
      for (const { schema } of builds) await discard(builder, schema).catch(() => undefined);
    }
  }

  /** Compares each copy with what serves at the position where that stands; all are driven there in one reading. */
  async function compareAll(
    members: readonly Member[],
    builder: PoolClient,
    reader: PoolClient,
  ): Promise<Rebuilt[]> {
    const head = await log.head();
    const schemas = projections.map((projection) => serving(projection).schema);
    const served = await readCheckpoints(builder, schemas);
    const due = (member: Member): bigint => served.get(serving(member.projection).schema)?.position ?? head;
    const results = new Map<Member, Rebuilt>();
    // A view that has stopped, or is just being built, is behind the others and must be met there.
    for (const member of [...members].sort((a, b) => Number(due(a) - due(b)))) {
      await drive(builder, members, due(member));
      const result = await compare(member, builder, reader, (position) => drive(builder, [member], position));
      results.set(member, result);
    }
    return members.flatMap((member) => results.get(member) ?? []);
  }

  /** Applies the log to `members` up to and including the position `last`. */
  async function drive(builder: PoolClient, members: readonly Member[], last: bigint): Promise<void> {
    const fail = (stop: Stop): void => {
      throw new RebuildStopped(stop);
    };
    const behind = members.filter(({ position }) => position < last);
    if (behind.length === 0) return;
    const lane = new Lane({ client: builder, catalogue, members: behind, onStop: fail });
    for await (const batch of readAhead(log.readAll(lane.start))) {
      const due = batch.filter(({ position }) => position <= last);
      await lane.apply(due);
      events += due.length;
      options.onProgress({ position: due.at(-1)?.position ?? last, head: last, events });
      if (due.length < batch.length) break;
    }
  }
}

/** One rebuild of a projection at a time: two would compare with rows that the other is exchanging. */
async function lockOut(client: PoolClient, projection: AnyProjection): Promise<void> {
  const { schema } = serving(projection);
  if (!(await tryLock(client, copyingLock(schema))))
    throw new RebuildRunning(`${schema} is being rebuilt already`);
}

/** Puts the copy in the place of what serves, without holding up readers for longer than `switchWaitMs`. */
async function exchange(copy: Copy, client: PoolClient): Promise<void> {
  const { schema } = serving(copy.member.projection);
  await gatherStatistics(client, copy.member.schema);
  for (let attempt = 1; ; attempt++) {
    try {
      return await inViewTransaction(client, async () => {
        await client.query(`SET LOCAL idle_in_transaction_session_timeout = ${stalledSwitchMs}`);
        // Under this lock nobody applies events to the serving tables, so the copy can overtake them.
        const served = await lockCheckpoint(client, schema);
        if (served !== undefined) await copy.catchUp(served);
        await client.query(`SET LOCAL lock_timeout = ${switchWaitMs}`);
        await switchOver(client, copy.member);
      });
    } catch (error) {
      const isBusy = error instanceof Error && 'code' in error && busy.has(String(error.code));
      if (!isBusy || attempt === switchAttempts) throw error;
      await sleep(switchWaitMs);
    }
  }
}

/** Brings the copy to where the served tables are, as one snapshot shows them, and compares the rows. */
async function compare(
  copy: Member,
  builder: PoolClient,
  reader: PoolClient,
  catchUp: (position: bigint) => Promise<void>,
): Promise<Rebuilt> {
  const { projection, schema } = copy;
  const old = serving(projection).schema;
  return inSnapshot(reader, async () => {
    const checkpoint = (await readCheckpoints(reader, [old])).get(old);
    if (checkpoint !== undefined) await catchUp(checkpoint.position);
    // Rows from before the copy's position are there if the view was dropped meanwhile and is being built again.
    const served = checkpoint !== undefined && checkpoint.position >= copy.position;
    const [tables, before] = await Promise.all([
      tableDigests(builder, schema),
      served ? tableDigests(reader, old) : undefined,
    ]);
    const changed = before && [...tables].find(([table, digest]) => before.get(table) !== digest)?.[0];
    const ours = { client: reader, schema: old };
    const difference =
      changed === undefined
        ? null
        : await inSnapshot(builder, () => firstDifference(changed, ours, { client: builder, schema }));
    return { projection, position: copy.position, served, tables, difference };
  });
}

async function inSnapshot<Result>(client: PoolClient, read: () => Promise<Result>): Promise<Result> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0');
  try {
    return await read();
  } finally {
    // Nothing was written; where the session is gone the first error tells more.
    await client.query('ROLLBACK').catch(() => undefined);
  }
}
