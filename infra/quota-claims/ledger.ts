import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal } from '../../domain/refusal.ts';
import { LogUnavailable } from '../event-log/port.ts';
import { foreseeRoom } from './foresight.ts';
import {
  type Content,
  type Limit,
  type Named,
  type QuotaClaims,
  type QuotaLedger,
  RoomClaimed,
} from './port.ts';

export interface LedgerPorts {
  readonly claims: QuotaClaims;
  /** What the project may hold; undefined where nothing counts. */
  limitOf(project: string): Promise<Limit | undefined>;
  /** Resolves when the usages of projects show what was recorded up to the position, or up to now. */
  shown(position?: bigint): Promise<void>;
  onError(error: unknown): void;
}

/** How long a push waits for room that others have claimed and may not need, before it is told to come again; milliseconds. */
const patienceMs = 5000;
/** How often it looks whether they do not; and how often what is claimed is compared with what is used. */
const [retryMs, tickMs] = [100, 500];
/** How often it is asked whether others wait for what is claimed and not used; milliseconds. */
const spareMs = 1000;
/** An idle project's claim is given back after this; milliseconds. */
const idleMs = 1500;
/** The log may still take what an append has failed for, as far as we know; milliseconds. */
const doubtMs = 20_000;

interface Entry {
  readonly key: string;
  readonly size: number;
  /** Who puts the same into the same project at the same time pays once. */
  users: number;
  /** The last one that a user has told. */
  position: bigint | undefined;
  doubtful: boolean;
}

interface Waiting {
  readonly content: Content;
  readonly key: string;
  readonly since: number;
  admit(entry: Entry): void;
  refuse(error: unknown): void;
}

/** In bytes, beside what is in flight. */
interface Asked {
  readonly adding: number;
  /** What is claimed also where there is no room for it. */
  readonly forced?: number;
  readonly blocked?: boolean;
}

interface Line {
  readonly projectId: number;
  readonly project: string;
  limit: number;
  /** Of this process, in bytes; `inFlight` of them are in use. */
  claimed: number;
  inFlight: number;
  readonly entries: Map<string, Entry>;
  /** Its claim has ended under what is in flight, and others may have been given the room. */
  lapsed: boolean;
  waiting: Waiting[];
  working: boolean;
  /** What the shared claim is, as far as this process has told. */
  told: number;
  toldAt: number;
  usedAt: number;
  othersWait: boolean;
  /** Bytes that have become visible usage since the start. */
  settled: number;
  wake: () => void;
  turn: Promise<unknown>;
}

/**
 * What this process is about to record, against what it has claimed of each project's room. While there is enough of
 * that, a push asks nobody; at the edge one question to the shared claims is under way at a time, for all who wait.
 *
 * A claim is given back for what is recorded only when the usages show it, so that no moment shows less than there is:
 * at each moment what projects hold and what is claimed together is at most what they may hold.
 */
export function quotaLedger({ claims, limitOf, shown, onError }: LedgerPorts): QuotaLedger {
  const lines = new Map<number, Line>();
  const freshMs = (claims.lifeMs * 2) / 3;
  let closed = false;
  const timer = setInterval(() => {
    for (const line of lines.values()) void tick(line).catch(onError);
  }, tickMs);
  timer.unref();

  function lineOf(project: string, { projectId, bytes }: Limit): Line {
    const now = performance.now();
    const found = lines.get(projectId);
    if (found !== undefined) {
      found.usedAt = now;
      if (found.limit === bytes) return found;
      // What was spare under another limit may be too much now.
      found.claimed = found.inFlight;
      found.limit = bytes;
      return found;
    }
    const line: Line = {
      ...{ projectId, project, limit: bytes },
      ...{ claimed: 0, inFlight: 0, told: 0, toldAt: now, usedAt: now, settled: 0 },
      ...{ entries: new Map(), lapsed: false, waiting: [], working: false, othersWait: false },
      wake: () => undefined,
      turn: Promise.resolve(),
    };
    lines.set(projectId, line);
    return line;
  }

  /** What is told of a claim is told one after the other. */
  function inTurn<Result>(line: Line, work: () => Promise<Result>): Promise<Result> {
    const turn = line.turn.then(work, work);
    line.turn = turn.catch(() => undefined);
    return turn;
  }

  const isFresh = (line: Line): boolean => !line.lapsed && performance.now() - line.toldAt < freshMs;

  /** Whether it is paid for already, or there is enough claimed for it. */
  const fits = (line: Line, { key, content }: Pick<Waiting, 'key' | 'content'>): boolean =>
    isFresh(line) && (line.entries.has(key) || content.size <= line.claimed - line.inFlight);

  function enter(line: Line, { key, content: { size } }: Pick<Waiting, 'key' | 'content'>): Entry {
    const found = line.entries.get(key);
    const entry = found ?? { key, size, users: 0, position: undefined, doubtful: false };
    if (found === undefined) {
      line.inFlight += size;
      line.entries.set(key, entry);
    }
    entry.users += 1;
    return entry;
  }

  async function admit(line: Line, content: Content): Promise<Entry> {
    // With the size, since nobody has compared the digest with the bytes yet: what is small must not pay for what is not.
    const key = `${nameOf(content)} ${content.size}`;
    if (fits(line, { key, content })) return enter(line, { key, content });
    return new Promise((resolve, reject) => {
      line.waiting.push({ content, key, since: performance.now(), admit: resolve, refuse: reject });
      if (!line.working) void work(line);
    });
  }

  /** Admits or refuses all who wait. */
  async function work(line: Line): Promise<void> {
    line.working = true;
    // Those who come in the same turn of the event loop ask together.
    await Promise.resolve();
    try {
      for (let blocked = false; line.waiting.length > 0; blocked = true) {
        await inTurn(line, () => claimFor(line, blocked));
        if (line.waiting.length > 0) await woken(line);
      }
    } catch (error) {
      // A rule that cannot be checked lets nothing pass.
      for (const { refuse } of line.waiting.splice(0)) refuse(error);
    } finally {
      line.working = false;
    }
  }

  /** Claims instead of what the line had: what is in flight, and `adding`. What is `forced` is not there for others. */
  async function claimAnew(line: Line, { adding, forced = 0, blocked = false }: Asked) {
    const { projectId, project, limit } = line;
    // Nobody may use meanwhile what is asked about; who comes now waits too.
    line.claimed = line.inFlight;
    const floor = line.inFlight + forced;
    const settledBefore = line.settled;
    const sentAt = performance.now();
    const answer = await claims.claim({ projectId, project, limit, floor, wanted: floor + adding, blocked });
    line.told = answer.claimed;
    line.toldAt = sentAt;
    const settled = line.settled - settledBefore;
    line.lapsed =
      floor - settled > forced &&
      (line.lapsed || !answer.kept) &&
      answer.used + answer.others + floor - forced > limit;
    // What is spare under another limit may be too much under the one that is known by now.
    line.claimed = line.limit === limit ? answer.claimed - settled - forced : line.inFlight;
    return answer;
  }

  async function claimFor(line: Line, blocked: boolean): Promise<void> {
    const { limit } = line;
    await shown();
    const adding = sizeOf(line.waiting);
    const { used } = await claimAnew(line, { adding, blocked });
    const unfit = new Set(takeWhatFits(line));
    if (unfit.size === 0 || line.limit !== limit) return;

    const held = await claimHeld(line, [...unfit], blocked);
    const now = performance.now();
    line.waiting = line.waiting.filter((waiting) => {
      const { content, since } = waiting;
      // Those who have come meanwhile are for the next round.
      if (!unfit.has(waiting)) return true;
      if (held.has(nameOf(content))) {
        if (!line.entries.has(waiting.key)) line.claimed += content.size;
        waiting.admit(enter(line, waiting));
      } else if (line.limit !== limit) return true;
      else if (content.size > limit - used)
        waiting.refuse(new Refusal({ kind: 'quota-exceeded', adding: content.size, used, limit }));
      else if (now - since > patienceMs) waiting.refuse(new RoomClaimed(content.project));
      else return true;
      return false;
    });
  }

  /**
   * The names of what the project holds of `unfit`, which is claimed although there is no room for it: it adds nothing
   * as long as it is held, and if it goes before it is put in again, nobody else may have its room.
   */
  async function claimHeld(
    line: Line,
    unfit: readonly Waiting[],
    blocked: boolean,
  ): Promise<ReadonlySet<string>> {
    const heldNow = async (asked: readonly Waiting[]) =>
      new Set(
        (
          await claims.held(
            line.project,
            asked.map(({ content }) => content),
          )
        ).map(nameOf),
      );
    const seen = await heldNow(unfit);
    const candidates = unfit.filter(({ content }) => seen.has(nameOf(content)));
    const unpaid = new Map(candidates.map((waiting) => [waiting.key, waiting]));
    for (const key of line.entries.keys()) unpaid.delete(key);
    if (candidates.length === 0) return seen;
    await claimAnew(line, { adding: 0, forced: sizeOf([...unpaid.values()]), blocked });
    // Only what was still held when its room was claimed.
    return heldNow(candidates);
  }

  /** Those who come first come first, save that a small one may pass a large one that does not fit. */
  function takeWhatFits(line: Line): readonly Waiting[] {
    line.waiting = line.waiting.filter((waiting) => {
      if (!fits(line, waiting)) return true;
      waiting.admit(enter(line, waiting));
      return false;
    });
    return line.waiting;
  }

  async function woken(line: Line): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timeout = setTimeout(resolve, retryMs);
    line.wake = resolve;
    await promise;
    clearTimeout(timeout);
    line.wake = () => undefined;
  }

  /** Gives up what an entry has of the claim, when the usages show what became of it. */
  async function settle(line: Line, entry: Entry): Promise<void> {
    if (entry.doubtful) await sleep(doubtMs, undefined, { ref: false });
    for (;;) {
      const { position } = entry;
      try {
        await shown(entry.doubtful ? undefined : position);
        if (entry.users > 0) return;
        if (entry.position === position) break;
      } catch (error) {
        onError(error);
        if (closed) return;
        await sleep(1000, undefined, { ref: false });
      }
    }
    if (line.entries.get(entry.key) !== entry) return;
    line.entries.delete(entry.key);
    line.inFlight -= entry.size;
    line.claimed -= entry.size;
    line.settled += entry.size;
    line.usedAt = performance.now();
    line.wake();
  }

  /** Tells the others what this process still needs. */
  async function tick(line: Line): Promise<void> {
    if (closed || line.working) return;
    const now = performance.now();
    if (line.entries.size === 0 && line.waiting.length === 0 && now - line.usedAt > idleMs) {
      // Who comes meanwhile waits until it is given back, and claims anew.
      line.claimed = 0;
      await inTurn(line, async () => {
        if (line.entries.size > 0) return;
        await claims.release(line.projectId);
        line.told = 0;
        if (line.waiting.length === 0 && line.entries.size === 0) lines.delete(line.projectId);
      });
      return;
    }
    if (line.othersWait) line.claimed = line.inFlight;
    // Who has something to spare asks more often whether somebody waits for it.
    const everyMs = line.claimed > line.inFlight ? spareMs : claims.lifeMs / 3;
    if (line.claimed === line.told && now - line.toldAt < everyMs) return;
    await inTurn(line, async () => {
      // A line that was given up meanwhile has no claim any more.
      if (lines.get(line.projectId) !== line) return;
      const [bytes, sentAt] = [line.claimed, performance.now()];
      const kept = await claims.keep(line.projectId, bytes);
      if (kept === undefined) {
        await claimAnew(line, { adding: 0 });
        return;
      }
      line.othersWait = kept.othersWait;
      line.told = bytes;
      line.toldAt = sentAt;
    });
  }

  return {
    async within(content, work, positionOf) {
      const limit = await limitOf(content.project);
      if (limit === undefined) return work();
      const line = lineOf(content.project, limit);
      const entry = await admit(line, content);
      try {
        const result = await work();
        const position = positionOf(result);
        if (position !== undefined && position > (entry.position ?? 0n)) entry.position = position;
        return result;
      } catch (error) {
        if (error instanceof LogUnavailable) entry.doubtful = true;
        throw error;
      } finally {
        entry.users -= 1;
        if (entry.users === 0) void settle(line, entry);
      }
    },

    requireRoom: foreseeRoom({ claims, limitOf, shown }),

    async close() {
      closed = true;
      clearInterval(timer);
      for (const line of lines.values()) {
        // What is in flight is over when its time is.
        if (line.entries.size === 0) await inTurn(line, () => claims.release(line.projectId)).catch(onError);
      }
    },
  };
}

const nameOf = ({ kind, digest }: Named): string => `${kind} ${digest}`;

/** Of the same once. */
const sizeOf = (waiting: readonly Waiting[]): number =>
  [...new Map(waiting.map(({ key, content }) => [key, content.size])).values()].reduce(
    (sum, size) => sum + size,
    0,
  );
