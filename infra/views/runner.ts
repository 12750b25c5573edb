import { setTimeout as sleep } from 'node:timers/promises';
import type { PoolClient } from 'pg';
import type { Catalogue } from '../../domain/catalogue.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { Database } from '../database/connect.ts';
import type { AnyProjection } from '../database/projection.ts';
import { type EventLog, LogUnavailable } from '../event-log/port.ts';
import type { Member } from './apply.ts';
import { prepare, tryLock, unlock } from './build.ts';
import { CheckpointMoved, createCheckpoints, readCheckpoints, readStatus, serving } from './checkpoints.ts';
import { Doubt } from './doubt.ts';
import { isTransient, Lane, type Stop } from './lane.ts';
import type { Views } from './port.ts';
import { Progress } from './progress.ts';
import { readAhead } from './read-ahead.ts';
import { endWhenHeldUp, onOwnSession, probe } from './session.ts';

/** How often a process asks again for what another process applies; it bounds a takeover. Milliseconds. */
const takeoverMs = 1000;
/** How often a process that applies everything makes sure of its connection, in milliseconds. */
const probeMs = 5000;
/** A projection that is further behind than this, in positions, catches up on a connection of its own. */
const catchUpDistance = 10_000n;
const outagePauseMs = 500;
/** Before the checkpoints are read again after another process moved one, in milliseconds. */
const movedPauseMs = 20;

export interface ViewsOptions {
  readonly log: EventLog;
  readonly database: Database;
  readonly catalogue: Catalogue;
  readonly projections: readonly AnyProjection[];
  /** How long `reached` waits, in milliseconds. */
  readonly waitMs: number;
  /** A projection stopped: someone has to look. */
  readonly onStop: (stop: Stop) => void;
  /** The database or the log is away; the runner tries again by itself. */
  readonly onOutage: (error: unknown) => void;
  /** Wraps the application of each batch, for instance in a span. */
  readonly whileApplying?: (events: readonly RecordedEvent[], apply: () => Promise<void>) => Promise<void>;
}

export interface RunningViews extends Views {
  /** Resolves once every projection has reached what was the log's head at the call, or has stopped. */
  caughtUp(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Applies the log to the projections for as long as it runs. Any number of processes may do so over the same
 * views: a session lock lets one of them apply each projection, and another takes over when that session ends.
 */
export async function runViews(options: ViewsOptions): Promise<RunningViews> {
  const { log, database, catalogue, projections, whileApplying = (_, apply) => apply() } = options;
  const closing = new AbortController();
  const progress = new Progress(database, options.waitMs);
  const doubt = new Doubt({ log, database, projections, closing: closing.signal });
  /** Where each projection stands that this process gave up on. */
  const stops = new Map<string, bigint>();
  /** Those on a connection of their own, and how that goes. */
  const catchingUp = { schemas: new Set<string>(), done: Promise.resolve() };
  const begun = Promise.withResolvers<void>();
  let round = new AbortController();

  await createCheckpoints(database.pool);
  const listener = await progress.listen();
  const driving = untilClosed(driveTogether);

  function onStop(stop: Stop): void {
    const { schema, position } = stop.member;
    stops.set(schema, position);
    progress.advance(schema, { position, stoppedAt: stop.event.position });
    options.onStop(stop);
  }

  async function untilClosed(work: () => Promise<void>): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        await work();
      } catch (error) {
        if (closing.signal.aborted) return;
        await recover(error);
      }
    }
  }

  /** Leaves time between an error and the next attempt, which may fail for the same reason for ever. */
  async function recover(error: unknown): Promise<void> {
    // The rows may be those of an earlier time, after a crash of PostgreSQL or a restore.
    progress.forget();
    if (error instanceof CheckpointMoved) return pause(movedPauseMs);
    doubt.raise();
    options.onOutage(error);
    await pause(outagePauseMs);
  }

  async function pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: closing.signal }).catch(() => undefined);
  }

  function driveTogether(): Promise<void> {
    return onOwnSession(database, async (client) => {
      await endWhenHeldUp(client);
      await createCheckpoints(client);
      client.once('end', loseConnection);
      try {
        await driveOn(client);
      } finally {
        // From here on it ends because we end it.
        client.off('end', loseConnection);
      }
    });
  }

  async function driveOn(client: PoolClient): Promise<void> {
    let members: readonly Member[] = [];
    while (!closing.signal.aborted) {
      round = new AbortController();
      await probe(client);
      await forgetRepairedStops(client);
      members = await leaveLaggards(client, [...members, ...(await takeOver(client, members))]);
      begun.resolve();
      if (members.length === 0) await pause(takeoverMs);
      else members = await follow(client, members);
    }
  }

  function endRound(): void {
    round.abort();
  }

  /** Who waits for events would not notice before the next one. */
  function loseConnection(): void {
    doubt.raise();
    endRound();
  }

  /** Applies what the log holds and gets until the round ends; returns the members that still run. */
  async function follow(client: PoolClient, members: readonly Member[]): Promise<readonly Member[]> {
    const everythingIsOurs = members.length + catchingUp.schemas.size === projections.length;
    const timer = setTimeout(endRound, everythingIsOurs ? probeMs : takeoverMs);
    const lane = new Lane({ client, catalogue, members, onStop });
    tell(lane);
    try {
      for await (const events of readAhead(log.subscribe(lane.start, round.signal))) {
        await whileApplying(events, () => lane.apply(events));
        tell(lane);
        if (lane.members.length < members.length || round.signal.aborted) break;
      }
      if (lane.members.length === members.length && !round.signal.aborted)
        throw new LogUnavailable('the event log ended the subscription of the views');
    } finally {
      clearTimeout(timer);
      endRound();
    }
    for (const member of members) if (!lane.members.includes(member)) await unlock(client, member.schema);
    return lane.members;
  }

  function tell(lane: Lane): void {
    for (const { schema, position } of lane.members) progress.advance(schema, { position, stoppedAt: null });
  }

  async function takeOver(client: PoolClient, held: readonly Member[]): Promise<Member[]> {
    const taken: Member[] = [];
    for (const { projection, schema } of projections.map(serving)) {
      const isBusy = stops.has(schema) || catchingUp.schemas.has(schema);
      if (isBusy || held.some((member) => member.schema === schema)) continue;
      const member = await lockAndPrepare(client, projection);
      if (member !== undefined) taken.push(member);
    }
    return taken;
  }

  /** Undefined where another session has the projection, or its tables cannot be created now. */
  async function lockAndPrepare(client: PoolClient, projection: AnyProjection): Promise<Member | undefined> {
    const build = serving(projection);
    if (!(await tryLock(client, build.schema))) return undefined;
    try {
      const member = await prepare(client, build);
      await refuseOtherLog(member);
      return member;
    } catch (error) {
      if (isTransient(error)) throw error;
      // The other projections must not wait for it.
      options.onOutage(error);
      await unlock(client, build.schema);
      return undefined;
    }
  }

  /** Events that were applied and are not in the log: it was restored to an earlier time, or is another one. */
  async function refuseOtherLog({ schema, position }: Member): Promise<void> {
    const head = await log.head();
    if (position > head)
      throw new Error(
        `${schema} is at position ${position} of a log that ends at ${head}; it must be replayed`,
      );
  }

  /** Lets those who are far behind catch up by themselves, so that the others stay live. */
  async function leaveLaggards(client: PoolClient, members: readonly Member[]): Promise<readonly Member[]> {
    const newest = members.reduce((max, { position }) => (position > max ? position : max), 0n);
    const laggards = members.filter(({ position }) => newest - position > catchUpDistance);
    if (laggards.length === 0) return members;
    for (const { schema } of laggards) await unlock(client, schema);
    // One connection more, however many lag: the next ones come when these have arrived.
    if (catchingUp.schemas.size === 0) {
      for (const { schema } of laggards) catchingUp.schemas.add(schema);
      catchingUp.done = catchUp(laggards.map(({ projection }) => projection));
    }
    return members.filter((member) => !laggards.includes(member));
  }

  async function catchUp(laggards: readonly AnyProjection[]): Promise<void> {
    try {
      await onOwnSession(database, async (client) => {
        await endWhenHeldUp(client);
        const members: Member[] = [];
        for (const projection of laggards) {
          const member = await lockAndPrepare(client, projection);
          if (member !== undefined) members.push(member);
        }
        await drive(new Lane({ client, catalogue, members, onStop }));
      });
    } catch (error) {
      if (!closing.signal.aborted) await recover(error);
    } finally {
      catchingUp.schemas.clear();
      endRound();
    }
  }

  /** Applies the log until the lane is near its head. */
  async function drive(lane: Lane): Promise<void> {
    for (let start = -1n; start < lane.start; ) {
      start = lane.start;
      if ((await log.head()) - start <= catchUpDistance) return;
      for await (const events of readAhead(log.readAll(start))) {
        if (closing.signal.aborted || lane.members.length === 0) return;
        await whileApplying(events, () => lane.apply(events));
        tell(lane);
      }
    }
  }

  /** A stopped view that moved since, was rebuilt or was dropped may run again. */
  async function forgetRepairedStops(client: PoolClient): Promise<void> {
    if (stops.size === 0) return;
    const checkpoints = await readCheckpoints(client, [...stops.keys()]);
    for (const [schema, position] of stops)
      if (checkpoints.get(schema)?.position !== position) stops.delete(schema);
  }

  return {
    reached: (position, views) => progress.reached(position, views),
    requireCurrent: () => doubt.requireNone(),
    knownPosition: (view) => progress.knownPosition(view),
    restarts: () => progress.forgotten,
    status: () => readStatus(database.pool, projections),

    async caughtUp() {
      // What stopped before is tried again first.
      await begun.promise;
      await progress.settled(await log.head(), projections, closing.signal);
    },

    async close() {
      closing.abort();
      begun.resolve();
      endRound();
      await driving;
      await catchingUp.done;
      await doubt.settled();
      await listener.close();
    },
  };
}
