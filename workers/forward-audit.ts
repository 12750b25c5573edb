import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditRecord } from '../domain/audit/record.ts';
import { type AuditTarget, BatchRefused, TargetUnavailable } from '../infra/audit-targets/port.ts';
import type { Checkpoints } from '../infra/checkpoints/port.ts';
import type { ForwardingState } from '../infra/forwarding-state/port.ts';
import { auditRecordOf } from '../projections/audit/record.ts';
import { type Following, type FollowPorts, keepFollowing } from './follow-log.ts';

/** The pause after a failure doubles from the first to the longest, in milliseconds. */
const firstPauseMs = 500;
const longestPauseMs = 60_000;
/** After as many failures another process may try, which may reach what this one cannot. */
const failuresBeforeHandOver = 8;
/** How often a record is sent alone before it counts as refused, and the pause in between in milliseconds. */
const attemptsAlone = 3;
const aloneAgainMs = 250;
/** A target that has refused as many records without taking one refuses what it is sent for another reason than a record. */
const mostRefusedInARow = 10;
/** How late it may be noted that there was nothing to send, in milliseconds. */
const noteLateMs = 500;

export interface ForwardPorts extends Pick<FollowPorts, 'log' | 'catalogue' | 'alone'> {
  /** The name of the target. */
  readonly name: string;
  readonly checkpoints: Pick<Checkpoints, 'read' | 'write'>;
  readonly state: Pick<ForwardingState, 'refusedInARow' | 'failed' | 'putAside' | 'took'>;
  /** Where it begins the first time: after the position. */
  first(): Promise<bigint>;
  /** Is asked whenever it begins, and for all that is recorded. */
  destination(): Destination;
  /** What the names of robots begin with. */
  robotPrefix(): Promise<string>;
  /** Of all messages in a request. */
  readonly batch: { readonly records: number; readonly bytes: number };
  onForwarded(records: number): void;
  onFailure(error: unknown): void;
  /** A record that the target has refused for ever. */
  onRefused(record: AuditRecord, reason: string): void;
}

/** Where records go, for as long as one process follows without a break. */
export interface Destination {
  /** Undefined where they go nowhere, which passes what happens then. Is asked before each sending. */
  target(): Promise<AuditTarget | undefined>;
  /** Those of the records that are sent there. */
  chosen(records: readonly AuditRecord[], upTo: bigint): Promise<readonly AuditRecord[]>;
  close(): void;
}

/** How the checkpoint of a target is called. */
export const followerOf = (target: string): string => `forward-audit/${target}`;

/**
 * Sends the audit log to a target, from where it was on: each record at least once, in their order, with the id of its event.
 * While the target is away nothing is passed over; what it refuses for ever is put aside where it can be seen.
 */
export function keepForwarding(ports: ForwardPorts): Following {
  const { name, state } = ports;
  let round: ReturnType<typeof roundOf> | undefined;
  let noted: bigint | undefined;
  /** How often in a row what was sent was lost before it was taken for sure. */
  let losses = 0;
  // Whoever drops the tables beside the views drops the checkpoint.
  const checkpoints: ForwardPorts['checkpoints'] = {
    read: async (follower) => (await ports.checkpoints.read(follower)) ?? noted,
    async write(follower, position) {
      await ports.checkpoints.write(follower, position);
      noted = position;
    },
  };

  return keepFollowing({
    log: ports.log,
    catalogue: ports.catalogue,
    alone: (work) =>
      ports.alone(async (lost) => {
        const broken = new AbortController();
        const begun = roundOf({ ...ports, checkpoints }, broken, () => {
          losses = 0;
        });
        round = begun;
        try {
          const result = await work(AbortSignal.any([lost, broken.signal]));
          broken.signal.throwIfAborted();
          return result;
        } catch (error) {
          if (!broken.signal.aborted) throw error;
          // It begins anew from the checkpoint; what was under way was only told to end.
          losses += 1;
          throw broken.signal.reason;
        } finally {
          begun.close();
        }
      }),
    async begin() {
      await startForwarding({ ...ports, checkpoints });
      return (await checkpoints.read(followerOf(name))) ?? 0n;
    },
    async take(events, over) {
      // A proxy whose server is gone takes everything, again and again.
      if (losses > 0 && round?.isNew())
        await sleep(pauseAfter(losses), undefined, { signal: over, ref: false });
      const upTo = events.at(-1)?.position ?? 0n;
      const prefix = await ports.robotPrefix();
      const records = events
        .map((event) => auditRecordOf(event, prefix))
        .filter((record) => record !== undefined);
      await round?.forward(records, upTo, over);
    },
    onFailure(error) {
      ports.onFailure(error);
      state.failed(name, messageOf(error)).catch(() => undefined);
    },
  });
}

/** See `Sent`; a promise alone would be waited for where it is returned. */
interface Delivered {
  readonly settled?: Promise<void>;
}

/** Notes where a target begins that has not begun: what is recorded from then on is sent. */
export async function startForwarding({
  name,
  checkpoints,
  first,
}: Pick<ForwardPorts, 'name' | 'checkpoints' | 'first'>): Promise<void> {
  const follower = followerOf(name);
  if ((await checkpoints.read(follower)) === undefined) await checkpoints.write(follower, await first());
}

/** What one process does without a break. */
function roundOf(ports: ForwardPorts, broken: AbortController, onSettled: () => void) {
  const { name, state, checkpoints } = ports;
  const destination = ports.destination();
  /** How far it is where all before has been taken for sure, in order. */
  const unsettled: { settled: Promise<void>; position: bigint }[] = [];
  let settling: Promise<void> | undefined;
  /** Up to where there was nothing to send, which is still to be noted. */
  let idleAt = 0n;
  let note: NodeJS.Timeout | undefined;
  let isKnown = false;
  let isNew = true;

  async function forward(records: readonly AuditRecord[], upTo: bigint, over: AbortSignal): Promise<void> {
    isNew = false;
    const chosen = await destination.chosen(records, upTo);
    for (const batch of batchesOf(chosen, ports.batch)) {
      const { settled } = await delivered(batch, over);
      const last = batch.at(-1);
      await mark(last === undefined ? upTo : BigInt(last.position), settled);
    }
    if (chosen.at(-1)?.position !== String(upTo)) markLater(upTo);
  }

  /** Resolves when the target has taken them, or refused them for ever, whatever happens to it meanwhile. */
  async function delivered(records: readonly AuditRecord[], over: AbortSignal): Promise<Delivered> {
    for (let failures = 1; ; failures++) {
      over.throwIfAborted();
      try {
        return await sent(records, over);
      } catch (error) {
        if (over.aborted || !(error instanceof TargetUnavailable) || failures >= failuresBeforeHandOver)
          throw error;
        ports.onFailure(error);
        await state.failed(name, messageOf(error));
        const pauseMs = Math.max(pauseAfter(failures), error.retryAfterMs);
        await sleep(pauseMs, undefined, { signal: over, ref: false });
      }
    }
  }

  async function sent(records: readonly AuditRecord[], over: AbortSignal): Promise<Delivered> {
    const target = await destination.target();
    if (target === undefined) return {};
    try {
      const { refused, settled } = await target.send(records, over);
      const isRefused = new Set(refused.map(({ record }) => record));
      await accepted(records.filter((record) => !isRefused.has(record)));
      for (const { record } of refused) await insist(target, record, over);
      return settled === undefined ? {} : { settled };
    } catch (error) {
      if (!(error instanceof BatchRefused)) throw error;
      const [first] = records;
      if (first === undefined) return {};
      if (records.length === 1) {
        await insist(target, first, over);
        return {};
      }
      const half = Math.ceil(records.length / 2);
      await sent(records.slice(0, half), over);
      return sent(records.slice(half), over);
    }
  }

  /** Sends a record that was refused alone, some times; then it is put aside. */
  async function insist(target: AuditTarget, record: AuditRecord, over: AbortSignal): Promise<void> {
    let reason = '';
    for (let attempt = 1; attempt <= attemptsAlone; attempt++) {
      if (attempt > 1) await sleep(aloneAgainMs, undefined, { signal: over, ref: false });
      try {
        const { refused } = await target.send([record], over);
        if (refused.length === 0) return await accepted([record]);
        reason = refused[0]?.reason ?? '';
      } catch (error) {
        if (!(error instanceof BatchRefused)) throw error;
        reason = error.message;
      }
    }
    if ((await state.refusedInARow(name)) >= mostRefusedInARow)
      throw new TargetUnavailable(`it refuses whatever it is sent: ${reason}`);
    await state.putAside(name, { id: record.eventId, position: BigInt(record.position), reason });
    isKnown = false;
    ports.onRefused(record, reason);
  }

  async function accepted(records: readonly AuditRecord[]): Promise<void> {
    if (records.length === 0) return;
    ports.onForwarded(records.length);
    // Nothing was put aside since it was told the last time.
    if (isKnown) return;
    await state.took(
      name,
      records.map(({ eventId }) => eventId),
    );
    isKnown = true;
  }

  /** Notes how far it is, as soon as what was sent has been taken for sure. */
  async function mark(position: bigint, settled: Promise<void> | undefined): Promise<void> {
    const last = unsettled.at(-1);
    if (settled === undefined && last === undefined) return checkpoints.write(followerOf(name), position);
    if (last !== undefined && (settled === undefined || settled === last.settled)) {
      last.position = position;
      return;
    }
    const next = { settled: settled ?? Promise.resolve(), position };
    const before = last === undefined ? undefined : settling;
    unsettled.push(next);
    settling = (async () => {
      await before;
      await next.settled;
      // What is marked from here on has an entry of its own.
      unsettled.splice(unsettled.indexOf(next), 1);
      await checkpoints.write(followerOf(name), next.position);
      onSettled();
    })();
    settling.catch((error) => broken.abort(error));
  }

  /** That there was nothing to send is noted once for many events. */
  function markLater(position: bigint): void {
    const last = unsettled.at(-1);
    if (last !== undefined) last.position = position;
    else {
      idleAt = position;
      note ??= setTimeout(() => {
        note = undefined;
        if (unsettled.length === 0) mark(idleAt, undefined).catch((error) => broken.abort(error));
      }, noteLateMs).unref();
    }
  }

  return {
    forward,
    /** Whether it was given nothing so far. */
    isNew: () => isNew,
    close() {
      clearTimeout(note);
      destination.close();
    },
  };
}

/** Not the same for all who wait for a target. */
const pauseAfter = (failures: number): number =>
  Math.min(firstPauseMs * 2 ** (failures - 1), longestPauseMs) * (0.5 + Math.random() / 2);

/** In their order, none over the limits but what is over them alone. */
function* batchesOf(
  records: readonly AuditRecord[],
  limits: { readonly records: number; readonly bytes: number },
): Iterable<readonly AuditRecord[]> {
  let batch: AuditRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = bytesOf(record);
    if (batch.length > 0 && (batch.length >= limits.records || bytes + size > limits.bytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(record);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** About what it has in any of the forms. */
const namesAndNumbers = 600;
const bytesOf = ({ resource, description, userAgent, reason }: AuditRecord): number =>
  namesAndNumbers + Buffer.byteLength(`${resource}${description}${userAgent}${reason}`);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
