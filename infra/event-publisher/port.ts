/** A public event on its way out. */
export interface OutgoingEvent {
  /** Of the event in the log, UUIDv7. */
  readonly id: string;
  readonly position: bigint;
  /** The name of the project that it belongs to, where it belongs to one. */
  readonly project: string | undefined;
  /** The public type, `tag.moved`. */
  readonly type: string;
  /** As a CloudEvent in JSON. Where it is larger than the product takes, its `data` stays out. */
  readonly cloudEvent: Readonly<Record<string, unknown>>;
}

/** The event with which a stream ends. */
export type LastPublished = Pick<OutgoingEvent, 'id' | 'position'>;

/**
 * A stream outside of Shiplog that holds each event once and in the order of the log. What may have been told without an
 * answer is no matter: nothing is stored but right behind what `end` told, whoever else publishes meanwhile.
 */
export interface EventPublisher {
  /**
   * Begins, or begins anew: what the stream ends with, undefined where that is not known, since the stream is new or its
   * last event is gone. @throws PublisherUnavailable @throws StreamUnfit
   */
  end(): Promise<LastPublished | undefined>;
  /**
   * Stores the events, in order, behind what `end` told and what was published since; durable when it resolves. When it
   * rejects, the first of them may be stored, and `end` has to tell how many.
   * @throws PublisherUnavailable
   */
  publish(events: readonly OutgoingEvent[]): Promise<void>;
  close(): Promise<void>;
}

/** The product cannot be reached or did not answer, or the stream ends elsewhere than it was expected to. */
export class PublisherUnavailable extends Error {
  override readonly name = 'PublisherUnavailable';
}

/** An operator has to see to the stream; the message says what is wrong with it. */
export class StreamUnfit extends Error {
  override readonly name = 'StreamUnfit';
}
