import type { Metadata, RecordedEvent } from '../../domain/event.ts';

/** An event to append. The id makes a repeated append recognisable, so a retry sends the same ids. */
export interface NewEvent {
  /** UUIDv7. */
  readonly id: string;
  readonly type: string;
  readonly version: number;
  /** JSON; at most `maxEventBytes` when written as UTF-8. */
  readonly data: object;
  readonly metadata: Metadata;
}

/** The revision of the stream's last event, `'none'` for a stream without events, `'any'` for no check. */
export type ExpectedRevision = bigint | 'none' | 'any';

export interface Append {
  readonly stream: string;
  readonly expectedRevision: ExpectedRevision;
  /** At least one and at most `maxEventsPerAppend`. */
  readonly events: readonly NewEvent[];
}

export interface StreamSlice {
  readonly events: readonly RecordedEvent[];
  /** What the next append to this stream expects, when nobody appends in between. */
  readonly revision: bigint | 'none';
}

/** An append whose events have more bytes than this together, as UTF-8 JSON, is refused with `AppendTooLarge`. */
export const maxEventBytes = 6 * 1024 * 1024;
export const maxEventsPerAppend = 1000;

/**
 * The event log: streams of immutable events in one global order.
 *
 * Every method rejects with `LogUnavailable` while the engine cannot be reached, and recovers by itself
 * when it can be reached again; an append that was rejected so may have happened, and is safe to repeat
 * with the same event ids.
 */
export interface EventLog {
  /** The product's name, for status and metrics. */
  readonly engine: string;
  /** Whether `appendMany` is all or nothing; if not, it appends in order and stops at the first failure. */
  readonly appendsManyAtomically: boolean;

  /**
   * Appends to one stream, all or nothing. Durable (fsync) when it resolves to the position of the last event.
   * An append whose event ids the stream already holds changes nothing and resolves as the first one did.
   * @throws RevisionConflict when the stream is not at `expectedRevision`.
   * @throws AppendTooLarge
   */
  append(stream: string, expectedRevision: ExpectedRevision, events: readonly NewEvent[]): Promise<bigint>;

  /**
   * Appends to several different streams. Resolves to the highest position written.
   * @throws RevisionConflict for the first stream that is not where it was expected.
   */
  appendMany(appends: readonly Append[]): Promise<bigint>;

  /** The events of `stream` from revision `from` (default 0) on, and the stream's current revision. */
  readStream(stream: string, from?: bigint): Promise<StreamSlice>;

  /**
   * All events with a position greater than `after`, up to what is the head during the call, in batches that are
   * bounded in count and bytes. Nothing is read ahead of a slow consumer but one batch.
   */
  readAll(after: bigint): AsyncIterable<readonly RecordedEvent[]>;

  /**
   * The events at `positions`, which rise, in that order and in batches like those of `readAll`. Where there is none at a
   * position, nothing is given for it.
   */
  readAt(positions: readonly bigint[]): AsyncIterable<readonly RecordedEvent[]>;

  /**
   * As `readAll`, and then goes on with what is appended later, by any process, until `signal` aborts, whereupon it
   * ends without an error. Survives a restart of the engine: it resumes after the last event it delivered.
   */
  subscribe(after: bigint, signal: AbortSignal): AsyncIterable<readonly RecordedEvent[]>;

  /** The position of the last event, 0 for an empty log. */
  head(): Promise<bigint>;

  /** Ends all reads and subscriptions; appends that were accepted are finished first. */
  close(): Promise<void>;
}

/** The stream is not at the revision that an append expected. */
export class RevisionConflict extends Error {
  override readonly name = 'RevisionConflict';
  readonly stream: string;
  readonly expected: ExpectedRevision;
  constructor(stream: string, expected: ExpectedRevision, options?: ErrorOptions) {
    super(`the stream ${stream} is not at revision ${expected}`, options);
    this.stream = stream;
    this.expected = expected;
  }
}

/** The engine cannot be reached or refuses to work; `cause` is its own error. */
export class LogUnavailable extends Error {
  override readonly name = 'LogUnavailable';
}

/** An append is over `maxEventBytes` or `maxEventsPerAppend`, or over what the engine is configured to take. */
export class AppendTooLarge extends Error {
  override readonly name = 'AppendTooLarge';
}
