import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, headers } from 'nats';
import type { RecordedEvent } from '../../domain/event.ts';
import { madeAtMs } from './ids.ts';
import { JetStreamConnection, JetStreamRefusal } from './jetstream-connection.ts';
import {
  type AppendMessage,
  batchesOf,
  encodeEvents,
  encodePayload,
  lastPositionOf,
  lastRevisionOf,
  messageIdOf,
  positionIfSame,
  positionOf,
  recordedEvents,
  sequenceOf,
  subjectToken,
} from './jetstream-message.ts';
import { readMessages, readMessagesUpTo } from './jetstream-reader.ts';
import { prepareStream } from './jetstream-stream.ts';
import {
  type Append,
  AppendTooLarge,
  type EventLog,
  type ExpectedRevision,
  LogUnavailable,
  maxEventBytes,
  type NewEvent,
  RevisionConflict,
  type StreamSlice,
} from './port.ts';

export interface JetStreamLogOptions {
  /** `host:port` or `nats://…`; one that answers is enough, the others of its cluster are learned from it. */
  readonly servers: readonly string[];
  /** Letters, digits, `-` and `_`. Also the first token of all subjects: `<streamName>.<encoded stream>`. */
  readonly streamName: string;
  /** Of the JetStream stream; without it a new stream has one, and an existing one keeps what it has. */
  readonly replicas?: number;
  /**
   * How long the server remembers the ids of an append; default one hour. The server holds all ids of this time in
   * memory and reads them again when it starts. A repeat that comes later is recognised by looking back.
   */
  readonly duplicateWindowMs?: number;
  /** Credentials and TLS, as the client takes them. */
  readonly connection?: ConnectionOptions;
}

/** What a server's `max_payload` must be at least: the largest append, its envelopes and its headers. */
const smallestMaxPayload = maxEventBytes + 1024 * 1024;
const headerBytesToSpare = 1024;

const cachedHeads = 10_000;
/** A race for a stream is lost this often before the append gives up. */
const attemptsPerAppend = 100;
/** Messages of a stream that are fetched one by one, from its end, before a consumer is made for the rest. */
const stepsBack = 16;
/** Messages that are fetched at a time where each is asked for by itself; each may be as large as an append. */
const messagesAtOnce = 8;
/** Messages of a stream in which an append that expects nothing looks for itself, when its ids are old. */
const messagesLookedBack = 256;

/** JetStream's `errors.json`. */
const wrongLastSequence = [10071, 10164];
const duplicateInProgress = 10158;
const messageTooLarge = 10054;

/** Where a stream ends: the sequence of its last message and the revision of its last event, 0 and -1 for none. */
interface StreamHead {
  readonly sequence: number;
  readonly revision: number;
}

const noStream: StreamHead = { sequence: 0, revision: -1 };

/**
 * The event log on one NATS JetStream stream (server 2.9 or later, with `replicas` 2.11), created where it is missing.
 *
 * An append is one message on the subject of its stream, published at the expected last sequence of that subject. The
 * revision is thus checked by the server, and different streams do not wait for each other.
 *
 * Durability: an acknowledged append is in the files of a majority of `replicas`. JetStream syncs its files every two
 * minutes, unless the server (2.10 or later) is configured with `jetstream { sync_interval: always }`. Without it a
 * power failure of all replicas within this time loses appends; the death of the server process alone does not.
 *
 * `recordedAt` is the time at which the server stored the message. Where that clock went backwards, no event is
 * earlier than what its writer had read of the log, hence none earlier than what it had read of its own stream.
 * @throws LogUnavailable
 */
export async function openJetStreamLog(options: JetStreamLogOptions): Promise<EventLog> {
  const { servers, streamName, connection: credentials } = options;
  const connection = await JetStreamConnection.open({ ...credentials, servers: [...servers] }, streamName);
  try {
    if (connection.maxPayload < smallestMaxPayload)
      throw new LogUnavailable(
        `max_payload of the NATS server is ${connection.maxPayload} bytes; set it to at least ${smallestMaxPayload}, ` +
          `better 8MB, so that it takes every append of up to ${maxEventBytes} bytes`,
      );
    const { duplicateWindowMs } = await prepareStream(connection, options);
    return new JetStreamLog(connection, streamName, duplicateWindowMs);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

class JetStreamLog implements EventLog {
  readonly engine = 'jetstream';
  readonly appendsManyAtomically = false;
  readonly #connection: JetStreamConnection;
  readonly #streamName: string;
  readonly #duplicateWindowMs: number;
  /** Least recently used first. An entry may be outdated, which the server notices at the next append. */
  readonly #heads = new Map<string, StreamHead>();
  /** The last append to each stream that is not finished, so that writers of one process do not race each other. */
  readonly #queues = new Map<string, Promise<unknown>>();
  readonly #appending = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;
  /** The latest `recordedAt` that was read. */
  #latestMs = 0;

  constructor(connection: JetStreamConnection, streamName: string, duplicateWindowMs: number) {
    this.#connection = connection;
    this.#streamName = streamName;
    this.#duplicateWindowMs = duplicateWindowMs;
  }

  async append(
    stream: string,
    expectedRevision: ExpectedRevision,
    events: readonly NewEvent[],
  ): Promise<bigint> {
    this.#refuseWhenClosed();
    const eventsJson = encodeEvents({ stream, expectedRevision, events });
    const appending = this.#inTurn(stream, () => this.#append(stream, expectedRevision, events, eventsJson));
    return this.#finishBeforeClose(appending);
  }

  async appendMany(appends: readonly Append[]): Promise<bigint> {
    this.#refuseWhenClosed();
    const encoded = appends.map((append) => ({ ...append, eventsJson: encodeEvents(append) }));
    const appendInOrder = async () => {
      let highest = 0n;
      for (const { stream, expectedRevision, events, eventsJson } of encoded) {
        const position = await this.#inTurn(stream, () =>
          this.#append(stream, expectedRevision, events, eventsJson),
        );
        if (position > highest) highest = position;
      }
      return highest;
    };
    return this.#finishBeforeClose(appendInOrder());
  }

  async readStream(stream: string, from = 0n): Promise<StreamSlice> {
    this.#refuseWhenClosed();
    const messages = await this.#messagesBack(stream, Number(from), stepsBack);
    const [earliest] = messages;
    const last = messages.at(-1);
    if (earliest === undefined || last === undefined) return { events: [], revision: 'none' };
    if (earliest.revision > Number(from)) {
      const older: AppendMessage[] = [];
      for await (const slice of this.#messagesUpTo(earliest.previous, 1, this.#subjectOf(stream)))
        older.push(...slice.filter((message) => lastRevisionOf(message) >= Number(from)));
      messages.unshift(...older);
    }
    const events = messages.flatMap(recordedEvents).filter(({ revision }) => revision >= from);
    return { events, revision: BigInt(lastRevisionOf(last)) };
  }

  async *readAll(after: bigint): AsyncGenerator<readonly RecordedEvent[]> {
    this.#refuseWhenClosed();
    const end = await this.#connection.message({ last_by_subj: '>' });
    if (end === undefined || lastPositionOf(end) <= after) return;
    for await (const messages of this.#messagesUpTo(end.sequence, sequenceOf(after)))
      yield* batchesOf(messages, after);
  }

  async *readAt(positions: readonly bigint[]): AsyncGenerator<readonly RecordedEvent[]> {
    this.#refuseWhenClosed();
    const asked = new Set(positions);
    const sequences = [...new Set(positions.map(sequenceOf))].filter((sequence) => sequence > 0);
    for (let from = 0; from < sequences.length; from += messagesAtOnce) {
      const some = sequences.slice(from, from + messagesAtOnce);
      const messages = await Promise.all(some.map((seq) => this.#connection.message({ seq })));
      const events = messages
        .flatMap((message) => (message === undefined ? [] : recordedEvents(message)))
        .filter(({ position }) => asked.has(position));
      if (events.length > 0) yield events;
    }
  }

  async *subscribe(after: bigint, signal: AbortSignal): AsyncGenerator<readonly RecordedEvent[]> {
    this.#refuseWhenClosed();
    const ending = AbortSignal.any([signal, this.#closing.signal]);
    let last = after;
    while (!ending.aborted) {
      try {
        const range = { from: sequenceOf(last), signal: ending };
        for await (const messages of readMessages(this.#connection, this.#streamName, range)) {
          this.#noteTime(messages);
          for (const batch of batchesOf(messages, last)) {
            if (ending.aborted) return;
            last = batch.at(-1)?.position ?? last;
            yield batch;
          }
        }
      } catch (error) {
        if (!(error instanceof LogUnavailable)) throw error;
        await delay(100 + Math.random() * 200, undefined, { signal: ending }).catch(() => undefined);
      }
    }
  }

  async head(): Promise<bigint> {
    this.#refuseWhenClosed();
    const last = await this.#connection.message({ last_by_subj: '>' });
    return last === undefined ? 0n : lastPositionOf(last);
  }

  close(): Promise<void> {
    const close = async () => {
      await Promise.allSettled(this.#appending);
      this.#closing.abort();
      await this.#connection.close();
    };
    this.#closed ??= close();
    return this.#closed;
  }

  async #append(
    stream: string,
    expected: ExpectedRevision,
    events: readonly NewEvent[],
    eventsJson: string,
  ): Promise<bigint> {
    if (expected === 'any' && this.#isOld(events)) {
      const repeated = await this.#positionLookedBack(stream, events);
      if (repeated !== undefined) return repeated;
    }
    const cached = this.#heads.get(stream);
    // Who expects no stream is mostly right, and the server says so when not.
    const supposed = cached ?? (expected === 'none' ? noStream : undefined);
    let head = supposed ?? (await this.#readHead(stream));
    let isCurrent = supposed === undefined;
    for (let attempt = 1; attempt <= attemptsPerAppend; attempt++) {
      if (expected !== 'any' && head.revision !== revisionNumber(expected)) {
        if (!isCurrent) head = await this.#readHead(stream);
        isCurrent = true;
        if (head.revision !== revisionNumber(expected)) {
          const repeated = await this.#positionAtPlace(stream, revisionNumber(expected) + 1, events);
          if (repeated !== undefined) return repeated;
          throw new RevisionConflict(stream, expected);
        }
      }
      const position = await this.#publish(stream, head, events, eventsJson);
      if (position !== undefined) return position;
      // The writers of other processes draw different delays, so that one of them is ahead of the others.
      if (attempt > 1) await delay(Math.random() * Math.min(100, 2 ** attempt));
      head = await this.#readHead(stream);
      isCurrent = true;
    }
    throw new LogUnavailable(`others kept appending to ${stream} in ${attemptsPerAppend} attempts`);
  }

  /** Undefined when the stream does not end at `head` any more. */
  async #publish(
    stream: string,
    head: StreamHead,
    events: readonly NewEvent[],
    eventsJson: string,
  ): Promise<bigint | undefined> {
    const payload = encodePayload(
      { stream, revision: head.revision + 1, previous: head.sequence, notBefore: this.#latestMs },
      eventsJson,
    );
    const { maxPayload } = this.#connection;
    if (payload.byteLength + headerBytesToSpare > maxPayload)
      throw new AppendTooLarge(
        `an append of ${payload.byteLength} bytes is over max_payload of the NATS server, ${maxPayload} bytes`,
      );
    const messageHeaders = headers();
    messageHeaders.set('Nats-Msg-Id', messageIdOf(stream, events));
    messageHeaders.set('Nats-Expected-Stream', this.#streamName);
    messageHeaders.set('Nats-Expected-Last-Subject-Sequence', `${head.sequence}`);
    this.#heads.delete(stream);
    try {
      const { seq, duplicate } = await this.#connection.ask<{ seq: number; duplicate?: boolean }>(
        this.#subjectOf(stream),
        payload,
        messageHeaders,
      );
      // The first of these repeats lies somewhere before the head.
      if (duplicate !== true)
        this.#remember(stream, { sequence: seq, revision: head.revision + events.length });
      return positionOf(seq, events.length - 1);
    } catch (error) {
      if (!(error instanceof JetStreamRefusal)) throw error;
      if (wrongLastSequence.includes(error.errorCode)) return undefined;
      if (error.errorCode === duplicateInProgress) return undefined;
      if (error.errorCode === messageTooLarge)
        throw new AppendTooLarge(
          `an append of ${payload.byteLength} bytes is over max_msg_size of the stream`,
          {
            cause: error,
          },
        );
      throw error;
    }
  }

  /** The position of these very events when they lie at `revision`, where an append that was taken put them. */
  async #positionAtPlace(
    stream: string,
    revision: number,
    events: readonly NewEvent[],
  ): Promise<bigint | undefined> {
    const [earliest] = await this.#messagesBack(stream, revision, stepsBack);
    if (earliest === undefined || lastRevisionOf(earliest) < revision) return undefined;
    if (earliest.revision <= revision) return positionIfSame(earliest, events);
    for await (const slice of this.#messagesUpTo(earliest.previous, 1, this.#subjectOf(stream))) {
      const there = slice.find((message) => lastRevisionOf(message) >= revision);
      if (there !== undefined) return positionIfSame(there, events);
    }
    return undefined;
  }

  async #positionLookedBack(stream: string, events: readonly NewEvent[]): Promise<bigint | undefined> {
    const messages = await this.#messagesBack(stream, 0, messagesLookedBack);
    for (const message of messages) {
      const position = positionIfSame(message, events);
      if (position !== undefined) return position;
    }
    return undefined;
  }

  /** Whether the server may have forgotten these ids. Clocks of machines differ, hence only half the time counts. */
  #isOld([first]: readonly NewEvent[]): boolean {
    return first !== undefined && Date.now() - (madeAtMs(first.id) ?? 0) > this.#duplicateWindowMs / 2;
  }

  /**
   * The last messages of `stream` in order: from the one that holds revision `from` on, or at most `limit`. Each
   * message names the one before it, so this finds them faster than a search for the subject does.
   */
  async #messagesBack(stream: string, from: number, limit: number): Promise<AppendMessage[]> {
    let message = await this.#connection.message({ last_by_subj: this.#subjectOf(stream) });
    const messages: AppendMessage[] = [];
    if (message !== undefined) {
      this.#noteTime([message]);
      this.#remember(stream, { sequence: message.sequence, revision: lastRevisionOf(message) });
    }
    while (message !== undefined) {
      messages.unshift(message);
      if (message.revision <= from || message.previous === 0 || messages.length >= limit) break;
      message = await this.#connection.message({ seq: message.previous });
    }
    return messages;
  }

  async #readHead(stream: string): Promise<StreamHead> {
    const [last] = await this.#messagesBack(stream, Number.MAX_SAFE_INTEGER, 1);
    return last === undefined ? noStream : { sequence: last.sequence, revision: lastRevisionOf(last) };
  }

  /** @throws LogUnavailable also when the log is closed before the end of the range. */
  async *#messagesUpTo(
    last: number,
    from: number,
    subject?: string,
  ): AsyncGenerator<readonly AppendMessage[]> {
    const range = { from, last, signal: this.#closing.signal, ...(subject !== undefined && { subject }) };
    for await (const messages of readMessagesUpTo(this.#connection, this.#streamName, range)) {
      this.#noteTime(messages);
      yield messages;
    }
  }

  async #inTurn<Result>(stream: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#queues.get(stream);
    const afterFailure = (error: unknown) => {
      // Whoever waits behind an append that timed out would wait for as long again, each in turn.
      if (error instanceof LogUnavailable) throw error;
      return work();
    };
    const running = before === undefined ? work() : before.then(work, afterFailure);
    this.#queues.set(stream, running);
    try {
      return await running;
    } finally {
      if (this.#queues.get(stream) === running) this.#queues.delete(stream);
    }
  }

  async #finishBeforeClose(appending: Promise<bigint>): Promise<bigint> {
    this.#appending.add(appending);
    try {
      return await appending;
    } finally {
      this.#appending.delete(appending);
    }
  }

  #remember(stream: string, head: StreamHead): void {
    this.#heads.delete(stream);
    this.#heads.set(stream, head);
    const [oldest] = this.#heads.keys();
    if (this.#heads.size > cachedHeads && oldest !== undefined) this.#heads.delete(oldest);
  }

  #noteTime(messages: readonly AppendMessage[]): void {
    const last = messages.at(-1);
    if (last !== undefined && last.recordedAtMs > this.#latestMs) this.#latestMs = last.recordedAtMs;
  }

  #refuseWhenClosed(): void {
    if (this.#closed !== undefined) throw new LogUnavailable('the log is closed');
  }

  #subjectOf(stream: string): string {
    return `${this.#streamName}.${subjectToken(stream)}`;
  }
}

const revisionNumber = (expected: bigint | 'none'): number => (expected === 'none' ? -1 : Number(expected));
