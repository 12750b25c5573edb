/** Who did it, through which request; stored beside every event and never part of a decision. */
export interface Metadata {
  /** `user:admin`, `robot:ci`, `anonymous`, or `system` for what Shiplog does by itself. */
  readonly actor: string;
  /** The number of the access token by which a user did it; absent for who has shown the password. */
  readonly accessToken?: number;
  readonly requestId?: string;
  /** The id of the request or job that all events of one intent share. */
  readonly correlationId?: string;
  /** The id of the event that led to this one. */
  readonly causationId?: string;
  /** W3C Trace Context, `traceparent`. */
  readonly traceparent?: string;
  readonly clientIp?: string;
  readonly userAgent?: string;
  /** The operation of the management API, as its document names it. */
  readonly operation?: string;
  /** Why, in the words of who did it. */
  readonly reason?: string;
}

/** What a decider returns: a fact, not yet recorded. */
export interface DomainEvent {
  readonly type: string;
  readonly data: object;
}

/** What the log adds to a fact. */
export interface Envelope {
  /** Strictly increasing in the order in which every reader sees events; gaps carry no meaning. */
  readonly position: bigint;
  readonly stream: string;
  /** 0 for a stream's first event, without gaps. */
  readonly revision: bigint;
  /** UUIDv7. */
  readonly id: string;
  /** The version of the type's schema, from 1. */
  readonly version: number;
  readonly metadata: Metadata;
  readonly recordedAt: Date;
}

/** An event as the log returns it; for a union of events, a union that `type` tells apart. */
export type RecordedEvent<Event extends DomainEvent = DomainEvent> = Event extends DomainEvent
  ? Envelope & { readonly type: Event['type']; readonly data: Event['data'] }
  : never;
