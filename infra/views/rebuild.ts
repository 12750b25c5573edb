import type { PoolClient } from 'pg';
import type { Catalogue } from '../../domain/catalogue.ts';
import type { Database } from '../database/connect.ts';
import type { AnyProjection } from '../database/projection.ts';
import type { EventLog } from '../event-log/port.ts';
import { inViewTransaction, type Member } from './apply.ts';
import { beside, discard, lockCheckpoint, prepare, switchOver, tryLock } from './build.ts';
import { createCheckpoints, readCheckpoints, serving } from './checkpoints.ts';
import { type Difference, firstDifference, tableDigests } from './compare.ts';
import { Lane, type Stop } from './lane.ts';

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

/** Another process is rebuilding the same projection for the same purpose. */
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
    const result = await compare(copy, reader);
    await copy.catchUp(await options.log.head());
    await inViewTransaction(reader, async () => {
      const { schema } = serving(copy.member.projection);
      // Under this lock nobody applies events to the serving tables, so the copy can overtake them.
      const served = await lockCheckpoint(reader, schema);
      if (served !== undefined) await copy.catchUp(served);
      await switchOver(reader, copy.member);
    });
    return result;
  });

/**
 * Builds each projection beside the tables that serve and compares the two at one position. Nothing that serves is
 * changed or held up. @throws RebuildStopped @throws RebuildRunning
 */
export const verifyViews = (options: RebuildOptions): Promise<Rebuilt[]> =>
  rebuild(options, 'verify', async (copy, reader) => {
    const result = await compare(copy, reader);
    await discard(reader, copy.member.schema);
    return result;
  });

interface Copy {
  readonly member: Member;
  readonly builder: PoolClient;
  /** Applies the events after the copy's position, up to and including `position`. */
  catchUp(position: bigint): Promise<void>;
}

async function rebuild(
  options: RebuildOptions,
  purpose: 'replay' | 'verify',
  finish: (copy: Copy, reader: PoolClient) => Promise<Rebuilt>,
): Promise<Rebuilt[]> {
  const { log, database, catalogue, projections } = options;
  const builder = await database.pool.connect();
  const reader = await database.pool.connect();
  let events = 0;
  try {
    await createCheckpoints(builder);
    const builds = projections.map((projection) => beside(projection, purpose));
    const members: Member[] = [];
    for (const build of builds) {
      if (!(await tryLock(builder, build.schema)))
        throw new RebuildRunning(`${build.schema} is being built already`);
      await discard(builder, build.schema);
      members.push(await prepare(builder, build));
    }
    // All together first, so that the log is read once, but not beyond what is served: there they are compared.
    await drive(members, await servedPosition());

    const results: Rebuilt[] = [];
    for (const member of members) {
      const copy = { member, builder, catchUp: (position: bigint) => drive([member], position) };
      results.push(await finish(copy, reader));
    }
    return results;
  } finally {
    builder.release(true);
    reader.release(true);
  }

  async function servedPosition(): Promise<bigint> {
    const schemas = projections.map((projection) => serving(projection).schema);
    const served = [...(await readCheckpoints(builder, schemas)).values()].map(({ position }) => position);
    const head = await log.head();
    return served.reduce((min, position) => (position < min ? position : min), head);
  }

  async function drive(members: readonly Member[], last: bigint): Promise<void> {
    const fail = (stop: Stop): void => {
      throw new RebuildStopped(stop);
    };
    const lane = new Lane({ client: builder, catalogue, members, onStop: fail });
    if (lane.start >= last) return;
    for await (const batch of log.readAll(lane.start)) {
      const due = batch.filter(({ position }) => position <= last);
      await lane.apply(due);
      events += due.length;
      options.onProgress({ position: due.at(-1)?.position ?? last, head: last, events });
      if (due.length < batch.length) break;
    }
  }
}

/** Brings the copy to where the served tables are, as one snapshot shows them, and compares the rows. */
async function compare({ member, builder, catchUp }: Copy, reader: PoolClient): Promise<Rebuilt> {
  const { projection, schema } = member;
  const old = { client: reader, schema: serving(projection).schema };
  await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  await builder.query('BEGIN READ ONLY');
  try {
    const served = (await readCheckpoints(reader, [old.schema])).get(old.schema);
    if (served !== undefined) {
      await builder.query('COMMIT');
      await catchUp(served.position);
      await builder.query('BEGIN READ ONLY');
    }
    const tables = await tableDigests(builder, schema);
    const found = {
      projection,
      position: member.position,
      served: served !== undefined,
      tables,
      difference: null,
    };
    if (served === undefined) return found;
    const before = await tableDigests(reader, old.schema);
    for (const [table, digest] of tables) {
      if (before.get(table) === digest) continue;
      return { ...found, difference: await firstDifference(table, old, { client: builder, schema }) };
    }
    return found;
  } finally {
    await reader.query('COMMIT');
    await builder.query('COMMIT');
  }
}
