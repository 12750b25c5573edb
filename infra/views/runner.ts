import { setTimeout as sleep } from 'node:timers/promises';
import type { PoolClient } from 'pg';
import type { Catalogue } from '../../domain/catalogue.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { Database } from '../database/connect.ts';
import { DatabaseUnavailable } from '../database/outage.ts';
import { type AnyProjection, schemaOf } from '../database/projection.ts';
import type { EventLog } from '../event-log/port.ts';
import { CheckpointMoved, type Member } from './apply.ts';
import { prepare, tryLock, unlock } from './build.ts';
import { createCheckpoints, readCheckpoints, readStatus, serving } from './checkpoints.ts';
import { Lane, type Stop } from './lane.ts';
import type { Views } from './port.ts';
import { Progress } from './progress.ts';

/** How often a process asks again for what another process applies; it bounds a takeover. Milliseconds. */
const takeoverMs = 1000;
/** A projection that is further behind than this, in positions, catches up on a connection of its own. */
const catchUpDistance = 10_000n;
const outagePauseMs = 500;
/** How often views that may have gone back are looked at, in milliseconds. */
const doubtPauseMs = 50;

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
  const stops = new Map<string, bigint>();
  const catchingUp = new Map<string, Promise<void>>();
  let rejoin = new AbortController();
  let doubts = 0;
  let regaining: Promise<void> | undefined;

  await createCheckpoints(database.pool);
  const listener = await progress.listen();
  const driving = untilClosed(() => onOwnConnection(driveTogether));

  function onStop(stop: Stop): void {
    stops.set(stop.member.schema, stop.event.position);
    progress.stop(stop.member.schema);
    options.onStop(stop);
  }

  async function untilClosed(work: () => Promise<void>): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        await work();
      } catch (error) {
        if (closing.signal.aborted) return;
        if (error instanceof CheckpointMoved) continue;
        doubt();
        options.onOutage(error);
        await pause(outagePauseMs);
      }
    }
  }

  /** The database may come back with older rows than it had: the views' commits are not durable at once. */
  function doubt(): void {
    doubts += 1;
    progress.forget();
    regaining ??= regain();
  }

  async function regain(): Promise<void> {
    let seen: number | undefined;
    let head: bigint | undefined;
    while (!closing.signal.aborted) {
      if (seen !== doubts) head = undefined;
      seen = doubts;
      try {
        // Once a doubt: all that was acknowledged before it is below, and who writes later waits for that himself.
        head ??= await log.head();
        if ((await areAt(head)) && seen === doubts) break;
      } catch {
        // The log or the views are away still; the next look may find them.
      }
      await pause(doubtPauseMs);
    }
    regaining = undefined;
  }

  async function areAt(head: bigint): Promise<boolean> {
    const statuses = await readStatus(database.pool, projections);
    return statuses.every(({ position, stoppedAt }) => position >= head || stoppedAt !== null);
  }

  async function pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: closing.signal }).catch(() => undefined);
  }

  /** `lost` aborts when the connection breaks, which who waits for events would not notice before the next one. */
  async function onOwnConnection(
    work: (client: PoolClient, lost: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const client = await database.pool.connect();
    const broken = new AbortController();
    const lose = (): void => {
      broken.abort(new DatabaseUnavailable('the connection on which the views are brought forward broke'));
      doubt();
    };
    client.once('end', lose);
    try {
      await work(client, broken.signal);
    } finally {
      client.off('end', lose);
      // Ending the session releases its locks, in whatever state it is.
      client.release(true);
    }
  }

  async function driveTogether(client: PoolClient, lost: AbortSignal): Promise<void> {
    await createCheckpoints(client);
    let members: readonly Member[] = [];
    while (!closing.signal.aborted) {
      rejoin = new AbortController();
      await forgetRepairedStops(client);
      members = leaveLaggards(client, [...members, ...(await takeOver(client, members))]);
      const everythingIsOurs = members.length + catchingUp.size === projections.length;
      const interruption = everythingIsOurs ? rejoin.signal : AbortSignal.timeout(takeoverMs);
      const round = AbortSignal.any([closing.signal, lost, interruption]);
      if (members.length === 0) await pause(takeoverMs);
      else members = await follow(client, members, round);
      lost.throwIfAborted();
    }
  }

  /** Applies what the log holds and gets until the round ends; returns the members that still run. */
  async function follow(
    client: PoolClient,
    members: readonly Member[],
    round: AbortSignal,
  ): Promise<readonly Member[]> {
    const lane = new Lane({ client, catalogue, members, onStop });
    tell(lane);
    for await (const events of log.subscribe(lane.start, round)) {
      await whileApplying(events, () => lane.apply(events));
      tell(lane);
      if (lane.members.length < members.length) break;
    }
    return lane.members;
  }

  function tell(lane: Lane): void {
    for (const { schema, position } of lane.members) progress.advance(schema, position);
  }

  async function takeOver(client: PoolClient, held: readonly Member[]): Promise<Member[]> {
    const taken: Member[] = [];
    for (const build of projections.map(serving)) {
      const { schema } = build;
      if (stops.has(schema) || catchingUp.has(schema) || held.some((member) => member.schema === schema))
        continue;
      if (await tryLock(client, schema)) taken.push(await prepare(client, build));
    }
    return taken;
  }

  /** Lets those who are far behind catch up by themselves, so that the others stay live. */
  function leaveLaggards(client: PoolClient, members: readonly Member[]): Member[] {
    const newest = members.reduce((max, { position }) => (position > max ? position : max), 0n);
    return members.filter((member) => {
      if (newest - member.position <= catchUpDistance) return true;
      catchingUp.set(
        member.schema,
        unlock(client, member.schema).then(() => catchUp(member)),
      );
      return false;
    });
  }

  async function catchUp({ projection, schema }: Member): Promise<void> {
    try {
      await onOwnConnection(async (client) => {
        if (!(await tryLock(client, schema))) return;
        const lane = new Lane({
          client,
          catalogue,
          members: [await prepare(client, serving(projection))],
          onStop,
        });
        while (lane.members.length > 0 && (await log.head()) - lane.start > catchUpDistance) {
          for await (const events of log.readAll(lane.start)) {
            if (closing.signal.aborted || lane.members.length === 0) return;
            await lane.apply(events);
            tell(lane);
          }
        }
      });
    } catch (error) {
      if (!(error instanceof CheckpointMoved)) options.onOutage(error);
    } finally {
      catchingUp.delete(schema);
      rejoin.abort();
    }
  }

  /** A stopped view that was rebuilt since, beyond the event that stopped it, may run again. */
  async function forgetRepairedStops(client: PoolClient): Promise<void> {
    if (stops.size === 0) return;
    for (const [schema, { position }] of await readCheckpoints(client, [...stops.keys()])) {
      if (position >= (stops.get(schema) ?? position)) stops.delete(schema);
    }
  }

  return {
    reached: (position, views) => progress.reached(position, views),
    requireCurrent() {
      if (regaining !== undefined)
        throw new DatabaseUnavailable('the views may be behind what they have shown');
    },
    status: () => readStatus(database.pool, projections),

    async caughtUp() {
      const head = await log.head();
      const isBehind = (projection: AnyProjection): boolean =>
        progress.positionOf(schemaOf(projection)) < head && !stops.has(schemaOf(projection));
      while (projections.some(isBehind) && !closing.signal.aborted) {
        await progress.reached(head, projections.filter(isBehind)).catch(() => undefined);
      }
    },

    async close() {
      closing.abort();
      await driving;
      await Promise.all(catchingUp.values());
      await regaining;
      await listener.close();
    },
  };
}
