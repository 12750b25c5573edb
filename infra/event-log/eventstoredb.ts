import { setTimeout as pause } from 'node:timers/promises';
import {
  BACKWARDS,
  END,
  type EventData,
  NotLeaderError,
  type ReadPosition,
  START,
  type StreamingRead,
  StreamNotFoundError,
  streamNameFilter,
  WrongExpectedVersionError,
} from '@eventstore/db-client';
import type { RecordedEvent } from '../../domain/event.ts';
import { type Connection, connect } from './eventstoredb-client.ts';
import { decode, encode } from './eventstoredb-envelope.ts';
import { isMisaligned, mayPass, translate } from './eventstoredb-errors.ts';
import { batchesOf, entriesOf } from './eventstoredb-feed.ts';
import { madeAtMs } from './ids.ts';
import {
  type Append,
  type EventLog,
  type ExpectedRevision,
  LogUnavailable,
  maxEventsPerAppend,
  type NewEvent,
  RevisionConflict,
  type StreamSlice,
} from './port.ts';

export interface EventStoreLogOptions {
  /** `esdb://…` or `esdb+discover://…`; the user needs to read `$all`, which only `$admins` may by default. */
  readonly connectionString: string;
  /**
   * What the names of Shiplog's streams begin with on the server, `shiplog-` by default. Nobody else's may begin so.
   * `$ce-shiplog` is then the category that the server's own projections make of them.
   */
  readonly streamPrefix?: string;
  /** How long to wait for an answer; 10,000 by default. */
  readonly timeoutMs?: number;
}

/**
 * The event log on EventStoreDB from 22.6 on, or on KurrentDB, which speaks the same protocol, through the package
 * `@eventstore/db-client`. A position is the commit position of `$all`: the place of the event's own record in the
 * server's transaction file, and so never that of two events.
 *
 * EventStoreDB refuses appends over its `MaxAppendSize`, 1 MiB by default; set it to 8 MiB (`8388608`) for what the
 * port allows. Until then larger ones are rejected with `AppendTooLarge`. KurrentDB takes them as it is.
 *
 * An append without an expected revision is recognised as a repeat among the stream's last 2,000 events, and by the
 * server itself beyond those for as long as it remembers the ids; other appends are always recognised.
 * @throws LogUnavailable when there is no server.
 * @throws TypeError when the connection string is malformed.
 */
export async function openEventStoreLog(options: EventStoreLogOptions): Promise<EventLog> {
  const { connectionString, streamPrefix = 'shiplog-', timeoutMs = 10_000 } = options;
  const log = new EventStoreLog(connect(connectionString), streamPrefix, timeoutMs);
  try {
    await log.head();
    return log;
  } catch (error) {
    await log.close();
    throw error;
  }
}

/** How far the clocks of Shiplog and of the server may be apart where a repeat is looked for. */
const clockDifferenceMs = 60_000;
const freshForMs = 500;
const rememberedAppends = 10_000;
const lookedBackAt = 2 * maxEventsPerAppend;
/** Of the 32 events that the server looks at before it may send a checkpoint. */
const checkpointInterval = 32;
const longestPauseMs = 3000;
/** Events that are read at a time where each is asked for by its position. */
const eventsAtOnce = 8;

class EventStoreLog implements EventLog {
  readonly engine = 'eventstoredb';
  readonly appendsManyAtomically = false;
  readonly #connection: Connection;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  /** The first ids of appends of which it is not known whether they happened. */
  readonly #uncertain = new Set<string>();
  readonly #accepted = new Set<Promise<unknown>>();
  readonly #ended = new AbortController();
  #closing: Promise<void> | undefined;
  /** Our last event before or at `to`, so that nothing of the others' events is read twice for `head`. */
  #scanned = { to: 0n, head: 0n };

  constructor(connection: Connection, prefix: string, timeoutMs: number) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#timeoutMs = timeoutMs;
  }

  append(stream: string, expectedRevision: ExpectedRevision, events: readonly NewEvent[]): Promise<bigint> {
    return this.#accept(() => this.#append({ stream, expectedRevision, events }));
  }

  appendMany(appends: readonly Append[]): Promise<bigint> {
    return this.#accept(async () => {
      let last = 0n;
      for (const append of appends) {
        const position = await this.#append(append);
        if (position > last) last = position;
      }
      return last;
    });
  }

  async readStream(stream: string, from = 0n): Promise<StreamSlice> {
    this.#assertOpen();
    return await this.#ask(async () => {
      const read = this.#connection.client.readStream(this.#prefix + stream, {
        fromRevision: from,
        requiresLeader: true,
      });
      const events: RecordedEvent[] = [];
      for await (const { event } of this.#existing(read)) if (event) events.push(decode(this.#prefix, event));
      const last = events.at(-1) ?? (from > 0n ? await this.#lastOf(stream) : undefined);
      return { events, revision: last?.revision ?? 'none' };
    });
  }

  async *readAll(after: bigint): AsyncGenerator<RecordedEvent[], void> {
    const head = await this.head();
    if (head <= after) return;
    for await (const events of this.#follow(after, this.#ended.signal, false)) {
      const upToHead = events.filter(({ position }) => position <= head);
      if (upToHead.length > 0) yield upToHead;
      if ((events.at(-1)?.position ?? 0n) >= head) return;
    }
    throw new LogUnavailable('the log was closed before the read was complete');
  }

  async *readAt(positions: readonly bigint[]): AsyncGenerator<RecordedEvent[], void> {
    this.#assertOpen();
    for (let from = 0; from < positions.length; from += eventsAtOnce) {
      const some = positions.slice(from, from + eventsAtOnce);
      const events = await Promise.all(some.map((position) => this.#ask(() => this.#findAt(position))));
      const found = events.filter((event) => event !== undefined);
      if (found.length > 0) yield found;
    }
  }

  async *subscribe(after: bigint, signal: AbortSignal): AsyncGenerator<RecordedEvent[], void> {
    this.#assertOpen();
    yield* this.#follow(after, AbortSignal.any([signal, this.#ended.signal]), true);
  }

  async head(): Promise<bigint> {
    this.#assertOpen();
    return await this.#ask(() => this.#findHead());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#accepted);
    this.#ended.abort();
    await this.#connection.close();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new LogUnavailable('the log is closed');
  }

  async #accept(work: () => Promise<bigint>): Promise<bigint> {
    this.#assertOpen();
    const accepted = work();
    this.#accepted.add(accepted);
    try {
      return await accepted;
    } finally {
      this.#accepted.delete(accepted);
    }
  }

  async #append(append: Append): Promise<bigint> {
    const { stream, expectedRevision, events } = append;
    const encoded = encode(append);
    if (expectedRevision === 'any' && this.#mayBeForgotten(events)) {
      const repeated = await this.#findRepeat(stream, events);
      if (repeated !== undefined) return repeated;
    }
    try {
      return await this.#ask(() => this.#write(stream, expectedRevision, encoded));
    } catch (error) {
      if (error instanceof LogUnavailable) this.#remember(events);
      if (!(error instanceof WrongExpectedVersionError)) throw error;
      const repeated = await this.#findRepeat(stream, events);
      if (repeated !== undefined) return repeated;
      throw new RevisionConflict(stream, expectedRevision, { cause: error });
    }
  }

  /**
   * Whether the events may have been appended before the server started, which is all that it knows by their ids. It
   * takes longer to start than `freshForMs`, but who repeats what has just failed here may do that at once.
   */
  #mayBeForgotten([first]: readonly NewEvent[]): boolean {
    if (first === undefined || this.#uncertain.has(first.id)) return true;
    const madeAt = madeAtMs(first.id);
    return madeAt === undefined || Math.abs(Date.now() - madeAt) > freshForMs;
  }

  #remember([first]: readonly NewEvent[]): void {
    if (first !== undefined) this.#uncertain.add(first.id);
    if (this.#uncertain.size <= rememberedAppends) return;
    for (const oldest of this.#uncertain) {
      this.#uncertain.delete(oldest);
      return;
    }
  }

  async #write(stream: string, expected: ExpectedRevision, events: EventData[]): Promise<bigint> {
    const append = this.#connection.client.appendToStream(this.#prefix + stream, events, {
      expectedRevision: expected === 'none' ? 'no_stream' : expected,
      requiresLeader: true,
      deadline: this.#timeoutMs,
    });
    // The client's deadline does not count while it looks for a cluster's leader.
    const { position, nextExpectedRevision } = await within(2 * this.#timeoutMs, append);
    if (position !== undefined) return position.commit;
    // So the server answers a repeat of an append that is not yet replicated.
    const last = await this.#lastOf(stream, nextExpectedRevision);
    return last?.position ?? fail(`the position of ${stream}@${nextExpectedRevision} is unknown`);
  }

  /** The position of the last of `events` when `stream` holds them one after the other. */
  #findRepeat(stream: string, events: readonly NewEvent[]): Promise<bigint | undefined> {
    const ids = events.map(({ id }) => id);
    const madeAt = madeAtMs(ids[0] ?? '') ?? 0;
    return this.#ask(async () => {
      const found: RecordedEvent[] = [];
      for await (const event of this.#backwards(stream, END, lookedBackAt + ids.length)) {
        if (event.id === ids.at(-1 - found.length)) found.push(event);
        else if (found.length > 0) return undefined;
        else if (event.recordedAt.getTime() < madeAt - clockDifferenceMs) return undefined;
        if (found.length === ids.length) return found[0]?.position;
      }
      return undefined;
    });
  }

  async #lastOf(stream: string, revision: bigint | typeof END = END): Promise<RecordedEvent | undefined> {
    for await (const event of this.#backwards(stream, revision, 1)) return event;
    return undefined;
  }

  async *#backwards(stream: string, fromRevision: bigint | typeof END, maxCount: number) {
    const read = this.#connection.client.readStream(this.#prefix + stream, {
      direction: BACKWARDS,
      fromRevision,
      maxCount,
      requiresLeader: true,
    });
    for await (const { event } of this.#existing(read)) if (event) yield decode(this.#prefix, event);
  }

  async #findAt(position: bigint): Promise<RecordedEvent | undefined> {
    const read = this.#connection.client.readAll({
      fromPosition: { commit: position, prepare: position },
      maxCount: 1,
      requiresLeader: true,
    });
    try {
      for await (const { event } of this.#entries(read))
        if (event?.position.commit === position && event.streamId.startsWith(this.#prefix))
          return decode(this.#prefix, event);
    } catch (error) {
      if (!isMisaligned(error)) throw error;
    }
    return undefined;
  }

  async #findHead(): Promise<bigint> {
    const before = this.#scanned;
    let newest: bigint | undefined;
    // Most often the newest event is ours; all the others are asked for only where it is not.
    for (const maxCount of [1, Number.MAX_SAFE_INTEGER]) {
      const read = this.#connection.client.readAll({
        direction: BACKWARDS,
        fromPosition: END,
        maxCount,
        requiresLeader: true,
      });
      for await (const { event } of this.#entries(read)) {
        if (event === undefined) continue;
        const position = event.position.commit;
        newest ??= position;
        if (event.streamId.startsWith(this.#prefix)) return this.#scan(newest, position);
        if (position <= before.to) return this.#scan(newest, before.head);
      }
    }
    return this.#scan(newest ?? 0n, 0n);
  }

  #scan(to: bigint, head: bigint): bigint {
    if (to > this.#scanned.to) this.#scanned = { to, head };
    return head;
  }

  /** What is appended after `after`, without end; where it `resumes`, only a lasting fault makes it throw. */
  async *#follow(
    after: bigint,
    signal: AbortSignal,
    resumes: boolean,
  ): AsyncGenerator<RecordedEvent[], void> {
    let from: ReadPosition = after === 0n ? START : { commit: after, prepare: after };
    let delivered = after;
    let failures = 0;
    while (!signal.aborted) {
      try {
        for await (const batch of this.#batches(from, signal, resumes ? undefined : this.#timeoutMs)) {
          failures = 0;
          from = batch.resumeAt ?? from;
          const events = batch.events.filter(({ position }) => position > delivered);
          delivered = events.at(-1)?.position ?? delivered;
          if (events.length > 0) yield events;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (isMisaligned(error) && from !== START) {
          // The server reads only from where an event begins; a position that is none has no nearer one that is known.
          from = START;
          continue;
        }
        if (!resumes || !mayPass(error)) throw translate(error);
        const pauseMs = Math.min(50 * 2 ** failures++, longestPauseMs);
        // It rejects when the signal aborts, and that ends the loop.
        await pause(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #batches(fromPosition: ReadPosition, signal: AbortSignal, idleMs: number | undefined) {
    return batchesOf({
      subscribe: (checkpointReached) =>
        this.#connection.client.subscribeToAll(
          {
            fromPosition,
            filter: streamNameFilter({ prefixes: [this.#prefix], checkpointInterval, checkpointReached }),
          },
          // Events may be as large as an append: what lies between gRPC and the batch is kept small.
          { highWaterMark: 2 },
        ),
      decode: (event) => decode(this.#prefix, event),
      signal,
      idleMs,
    });
  }

  /** The entries of a stream, none where it does not exist. */
  async *#existing<Entry>(read: StreamingRead<Entry>): AsyncGenerator<Entry, void> {
    try {
      yield* this.#entries(read);
    } catch (error) {
      if (!(error instanceof StreamNotFoundError)) throw error;
    }
  }

  #entries<Entry>(read: StreamingRead<Entry>): AsyncGenerator<Entry, void> {
    return entriesOf<Entry>(read, this.#timeoutMs, this.#ended.signal);
  }

  /** Asks again where another node has become the leader: the client has turned to it by then. */
  async #ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    for (let asked = 1; ; asked++) {
      try {
        return await question();
      } catch (error) {
        if (error instanceof WrongExpectedVersionError) throw error;
        if (!(error instanceof NotLeaderError) || asked === 4) throw translate(error);
        await pause(50);
      }
    }
  }
}

async function within<Value>(ms: number, promise: Promise<Value>): Promise<Value> {
  const timeout = new AbortController();
  const late = pause(ms, undefined, { signal: timeout.signal, ref: false }).then(() =>
    fail(`no answer within ${ms} ms`),
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    timeout.abort();
  }
}

function fail(reason: string): never {
  throw new LogUnavailable(reason);
}
