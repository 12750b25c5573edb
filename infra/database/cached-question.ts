import type { DomainEvent, RecordedEvent } from '../../domain/event.ts';
import type { Projection } from './projection.ts';

export type Arguments = readonly (string | number)[];

/** A question to a view whose answers can be kept until an event touches what they are about. */
export interface CachedQuestion<Event extends DomainEvent, Args extends Arguments> {
  readonly view: Projection<Event>;
  /** What a question is about. */
  subjectOf(...args: Args): string;
  /**
   * What the answers may be different about after an event that the view handles. Too much costs a query; too little
   * is a stale answer.
   */
  touchedBy(event: RecordedEvent<Event>): readonly string[] | typeof everything;
}

/** An event after which any answer may be different. */
export const everything = Symbol('everything');
