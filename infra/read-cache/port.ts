import type { DomainEvent } from '../../domain/event.ts';
import type { Arguments, CachedQuestion } from '../database/cached-question.ts';

/** How reads were answered since the start. */
export interface ReadCounts {
  /** From memory. */
  readonly kept: number;
  /** From the view, and kept for the next one. */
  readonly asked: number;
  /** From the view and not kept, since the cache or the view was behind the log. */
  readonly bypassed: number;
}

/** Answers reads from memory where that is as good as asking the views now. */
export interface ReadCache {
  /**
   * Within `work` a read may be answered as of any moment since this call; all of them share the one question whether
   * the cache is up to date. Without it each read is answered as of its own beginning.
   */
  asOfNow<Result>(work: () => Result): Result;

  /** `ask`, whose answers are kept. */
  cached<Event extends DomainEvent, Args extends Arguments, Answer>(
    question: CachedQuestion<Event, Args>,
    ask: (...args: Args) => Promise<Answer>,
  ): (...args: Args) => Promise<Answer>;

  counts(): ReadCounts;
  close(): Promise<void>;
}

/** For who has switched the cache off: every read asks the views. */
export const noReadCache: ReadCache = {
  asOfNow: (work) => work(),
  cached: (_question, ask) => ask,
  counts: () => ({ kept: 0, asked: 0, bypassed: 0 }),
  close: async () => undefined,
};
