import type { DeliveryEvent } from '../domain/webhook-delivery/events.ts';
import { longestPauseMs } from '../domain/webhook-delivery/retry.ts';
import type { DueDelivery, Endpoint, QueueHead } from '../projections/webhook-deliveries/queues.ts';
import { pause } from './pause.ts';

/** Locks by name that all processes share; those of a process that dies are free. */
interface Locks {
  /** False where another process has it. Not to be taken twice. */
  take(name: string): Promise<boolean>;
  release(name: string): Promise<void>;
}

export interface DeliverWebhooksPorts {
  /** The heads of the queues of the endpoints behind `after`, in the order of these. */
  queueHeads(after: Endpoint, limit: number): Promise<readonly QueueHead[]>;
  headOf(endpoint: Endpoint): Promise<DueDelivery | undefined>;
  /** The position of an attempt that is recorded and that the view does not show yet; undefined where it shows all. */
  unseen(delivery: DueDelivery): Promise<bigint | undefined>;
  /**
   * Tries once to deliver it. Undefined where there is nowhere to; that is going to be seen in the view.
   * @param over aborted when another process may try it too
   */
  attempt(delivery: DueDelivery, over: AbortSignal): Promise<Attempted | undefined>;
  /** Resolves when the queues are shown as they were at the position. */
  reached(position: bigint): Promise<void>;
  /** `lost` is aborted when others may have them. */
  withLocks<Result>(work: (locks: Locks, lost: AbortSignal) => Promise<Result>): Promise<Result>;
  /** Is called when something may have come to be due. */
  onWake(wake: () => void): Promise<{ close(): Promise<void> }>;
  /** It goes on by itself, after a pause. */
  onFailure(error: unknown): void;
  now(): Date;
  /** To how many endpoints at once. */
  readonly concurrency: number;
  /** How many attempts begin in a second, at most. */
  readonly perSecond: number;
}

export interface Attempted {
  readonly outcome: DeliveryEvent['type'];
  /** Of what was recorded; undefined where another process was first. */
  readonly position: bigint | undefined;
  /** How long the endpoint has to rest; milliseconds. */
  readonly restMs: number;
}

export interface Delivering {
  /** Resolves when no attempt is under way any more. */
  stop(): Promise<void>;
}

/** How often it looks for what is due without being woken; milliseconds. */
const lookMs = 5000;
/** For how long an endpoint is left alone that another process serves, or whose attempt was cut short; milliseconds. */
const aloneMs = 1000;
const failureMs = 2000;
/** Between two looks at all queues, in milliseconds; what comes meanwhile is looked at together. */
const restMs = 50;
/** Which part of all attempts may be repeated ones, which nobody waits for, and how many of these begin together. */
const [repeatedShare, repeatedTogether] = [10, 5];
/** After so many deliveries others have their turn. */
const turn = 50;
const headsAtOnce = 1000;
/** Of one look. */
const mostHeads = 20_000;

/** Delivers what is due until it is stopped: of each endpoint one after the other in order, and to many endpoints at once. */
export function keepDelivering(ports: DeliverWebhooksPorts): Delivering {
  const { now, concurrency } = ports;
  const closing = new AbortController();
  let slotAt = 0;
  /** How many repeated attempts may begin, and when that was so. */
  let repeats = repeatedTogether;
  let repeatsAt = performance.now();
  let isWoken = false;
  let wakeUp = (): void => undefined;
  const wake = (): void => {
    isWoken = true;
    wakeUp();
  };
  const delivering = untilClosed();

  async function untilClosed(): Promise<void> {
    let listener: { close(): Promise<void> } | undefined;
    while (!closing.signal.aborted) {
      try {
        listener ??= await ports.onWake(wake);
        await ports.withLocks((locks, lost) => deliver(locks, lost));
      } catch (error) {
        if (!closing.signal.aborted) ports.onFailure(error);
      }
      await pause(failureMs, closing.signal);
    }
    await listener?.close();
  }

  async function deliver(locks: Locks, lost: AbortSignal): Promise<void> {
    const over = AbortSignal.any([closing.signal, lost]);
    const active = new Map<string, Promise<void>>();
    /** Those of them that are tried again. */
    const repeating = new Set<string>();
    /** Until when an endpoint is left alone, by `performance.now()`. */
    const resting = new Map<string, number>();
    try {
      while (!over.aborted) {
        isWoken = false;
        const began = performance.now();
        const dueInMs = await begin();
        // However many queues there are, looking at them takes half of the time at most.
        const tookMs = performance.now() - began;
        await pause(Math.max(tookMs, restMs), over);
        await rest(Math.min(dueInMs, lookMs), over);
      }
    } finally {
      await Promise.all(active.values());
    }

    /** Begins with what is due, the longest first; resolves to when something else is, in milliseconds from now. */
    async function begin(): Promise<number> {
      let soonest = Number.POSITIVE_INFINITY;
      const due: QueueHead[] = [];
      for (const [name, until] of resting) if (until <= performance.now()) resting.delete(name);
      for (const head of await allHeads()) {
        if (head.isPaused || active.has(lockOf(head))) continue;
        const waitMs = Math.max(dueIn(head, now()), (resting.get(lockOf(head)) ?? 0) - performance.now());
        if (waitMs <= 0) due.push(head);
        else soonest = Math.min(soonest, waitMs);
      }
      due.sort((one, other) => dueSince(one) - dueSince(other));
      for (const head of due) {
        // Who ends wakes this one.
        if (active.size >= concurrency) break;
        const isRepeated = head.nextAt !== undefined;
        // However many targets are silent, each until the time is over, the others have places too.
        if (isRepeated && repeating.size >= Math.max(1, Math.floor(concurrency / 2))) continue;
        if (isRepeated && !mayRepeat()) {
          soonest = Math.min(soonest, (1000 * repeatedShare) / ports.perSecond);
          continue;
        }
        const name = lockOf(head);
        if (isRepeated) repeating.add(name);
        const serving = serve(head).finally(() => {
          active.delete(name);
          repeating.delete(name);
          wake();
        });
        active.set(name, serving);
      }
      return soonest;
    }

    async function serve(endpoint: Endpoint): Promise<void> {
      const name = lockOf(endpoint);
      const leaveAlone = (ms: number) => void resting.set(name, performance.now() + ms);
      try {
        if (!(await locks.take(name))) return leaveAlone(aloneMs);
        try {
          for (let made = 0; made < turn && !over.aborted; made += 1) {
            const restMs = await deliverNext(endpoint);
            if (restMs === undefined) return;
            if (restMs > 0) return leaveAlone(restMs);
          }
        } finally {
          await locks.release(name);
        }
      } catch (error) {
        leaveAlone(failureMs);
        if (!over.aborted) ports.onFailure(error);
      }
    }

    /** Resolves to how long the endpoint has to rest before the next one; undefined where nothing is due. */
    async function deliverNext(endpoint: Endpoint): Promise<number | undefined> {
      const head = await ports.headOf(endpoint);
      if (head === undefined || head.isPaused || dueIn(head, now()) > 0) return undefined;
      // Who has recorded it may have died before the view showed it, or the view is being built.
      const unseen = await ports.unseen(head);
      if (unseen !== undefined) {
        await ports.reached(unseen);
        return 0;
      }
      await slot();
      if (over.aborted) return undefined;
      const attempted = await ports.attempt(head, lost);
      if (attempted === undefined) return aloneMs;
      // Who was first has the lock: this process was held up for so long that it has lost it.
      if (attempted.position === undefined) return aloneMs;
      await ports.reached(attempted.position);
      // It is due again later, and nothing behind it is due before.
      if (attempted.outcome === 'WebhookAttemptFailed') return undefined;
      return attempted.restMs;
    }
  }

  async function allHeads(): Promise<readonly QueueHead[]> {
    const heads: QueueHead[] = [];
    let after: Endpoint = { policyId: 0, target: -1 };
    while (heads.length < mostHeads) {
      const some = await ports.queueHeads(after, headsAtOnce);
      heads.push(...some);
      const last = some.at(-1);
      if (last === undefined || some.length < headsAtOnce) break;
      after = last;
    }
    return heads;
  }

  /** Repeated attempts are spread in time: when many targets are dead, they are due together. */
  function mayRepeat(): boolean {
    const now = performance.now();
    const gained = ((now - repeatsAt) / 1000) * (ports.perSecond / repeatedShare);
    repeats = Math.min(repeatedTogether, repeats + gained);
    repeatsAt = now;
    if (repeats < 1) return false;
    repeats -= 1;
    return true;
  }

  /** Resolves when another attempt may begin. */
  async function slot(): Promise<void> {
    const at = performance.now();
    slotAt = Math.max(slotAt, at) + 1000 / ports.perSecond;
    const waitMs = slotAt - 1000 / ports.perSecond - at;
    if (waitMs > 1) await pause(waitMs, closing.signal);
  }

  /** Resolves when it is woken, or after the time. */
  async function rest(ms: number, over: AbortSignal): Promise<void> {
    if (isWoken) return;
    const woken = new AbortController();
    wakeUp = () => woken.abort();
    await pause(ms, AbortSignal.any([over, woken.signal]));
    wakeUp = () => undefined;
  }

  return {
    async stop() {
      closing.abort();
      await delivering;
    },
  };
}

/** By how much the clocks of the processes may differ, in milliseconds. */
const clockDifferenceMs = 60_000;

/** In milliseconds. No pause is longer than the longest: a clock that was ahead does not hold anything up. */
export function dueIn({ nextAt }: Pick<QueueHead, 'nextAt'>, now: Date): number {
  const waitMs = nextAt === undefined ? 0 : nextAt.getTime() - now.getTime();
  return waitMs > longestPauseMs + clockDifferenceMs ? 0 : waitMs;
}

const dueSince = ({ nextAt, requestedAt }: QueueHead): number => (nextAt ?? requestedAt).getTime();
const lockOf = ({ policyId, target }: Endpoint): string => `webhook ${policyId}/${target}`;
