import { AsyncLocalStorage } from 'node:async_hooks';
import { type Catalogue, upcast } from '../../domain/catalogue.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import { everything } from '../database/cached-question.ts';
import type { EventLog } from '../event-log/port.ts';
import type { Views } from '../views/port.ts';
import { type Answers, boundedAnswers } from './answers.ts';
import { followLog } from './follower.ts';
import type { ReadCache } from './port.ts';
import { readIndex } from './read-index.ts';

/** How long reads wait for the log to tell its head, in milliseconds. */
const headMs = 1000;
/** How long a read waits for the cache to have followed the log up to there, in milliseconds. */
const followMs = 250;
/** Reads of a request that comes later than this do not rely on what was found out at its beginning; milliseconds. */
const momentMs = 1000;

export interface ReadCacheOptions {
  readonly log: Pick<EventLog, 'head' | 'subscribe'>;
  readonly views: Pick<Views, 'requireCurrent' | 'knownPosition' | 'restarts'>;
  readonly catalogue: Catalogue;
  /** The most answers that are kept for each question. */
  readonly max: number;
  /** The log cannot be followed, and reads go to the views until it can; told once each time. */
  readonly onOutage: (error: unknown) => void;
}

interface Moment {
  readonly at: number;
  isFresh: Promise<boolean> | undefined;
}

interface Kept {
  readonly answers: Answers;
  touchedBy(event: RecordedEvent): readonly string[] | typeof everything;
}

/**
 * Keeps answers of the views and drops those that an event touches. Nothing stale is answered, whichever process
 * recorded the event: before it answers from memory it asks the log for its head, and has dropped what the events up
 * to there touch. See docs/decisions/0060-reads-are-cached-behind-the-logs-head.md.
 */
export async function openReadCache(options: ReadCacheOptions): Promise<ReadCache> {
  const { log, views, catalogue, max, onOutage } = options;
  const kept: Answers[] = [];
  const keptByType = new Map<string, Kept[]>();
  const moments = new AsyncLocalStorage<Moment>();
  const counts = { kept: 0, asked: 0, bypassed: 0 };
  const head = readIndex(headInTime);
  const follower = await followLog(log, drop, onOutage);
  let restarts = views.restarts();
  /** Whether the log leaves a question for its head without an answer. */
  let isSilent = false;

  function drop(recorded: RecordedEvent): void {
    const event = understood(recorded);
    // From a newer version of Shiplog in another process, which may mean anything.
    if (event === undefined) {
      clear();
      return;
    }
    for (const { answers, touchedBy } of keptByType.get(event.type) ?? []) {
      const touched = touchedBy(event);
      if (touched === everything) answers.clear();
      else for (const subject of touched) answers.drop(subject);
    }
  }

  function understood(event: RecordedEvent): RecordedEvent | undefined {
    try {
      return upcast(catalogue, event);
    } catch {
      return undefined;
    }
  }

  function clear(): void {
    for (const answers of kept) answers.clear();
  }

  /** What was read before a view was built anew, maybe because its rows were wrong, says nothing of its rows now. */
  function clearAfterRestart(): void {
    const now = views.restarts();
    if (now !== restarts) clear();
    restarts = now;
  }

  function isFresh(): Promise<boolean> {
    const moment = moments.getStore();
    if (moment === undefined || performance.now() - moment.at > momentMs) return look();
    moment.isFresh ??= look();
    return moment.isFresh;
  }

  /** Whether everything is dropped that is touched by what was acknowledged before this call. */
  async function look(): Promise<boolean> {
    const before = follower.seen();
    const last = await head();
    if (last === undefined) return false;
    // The log was put back to an earlier time, as by a restore: what is kept is about events that are gone.
    if (last < before) {
      clear();
      return false;
    }
    // While the log was asked, the follower may have gone further.
    return last <= follower.seen() || follower.reaches(last, followMs);
  }

  /** Undefined where the log does not say; while it is silent nobody waits for it a second time. */
  async function headInTime(): Promise<bigint | undefined> {
    if (isSilent) return undefined;
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => {
      isSilent = true;
      late.resolve(undefined);
    }, headMs);
    const answered = log
      .head()
      .catch(() => undefined)
      .finally(() => {
        clearTimeout(timer);
        isSilent = false;
      });
    return Promise.race([answered, late.promise]);
  }

  return {
    asOfNow: (work) => moments.run({ at: performance.now(), isFresh: undefined }, work),

    cached({ view, subjectOf, touchedBy }, ask) {
      const answers = boundedAnswers(max);
      kept.push(answers);
      for (const type of view.handles)
        keptByType.set(type, [
          ...(keptByType.get(type) ?? []),
          { answers, touchedBy: touchedBy as Kept['touchedBy'] },
        ]);

      return async (...args) => {
        views.requireCurrent();
        const fresh = await isFresh();
        clearAfterRestart();
        if (!fresh) {
          counts.bypassed += 1;
          return ask(...args);
        }
        const key = args.join('\0');
        const known = answers.find(key);
        if (known !== undefined) {
          counts.kept += 1;
          views.requireCurrent();
          return known as ReturnType<typeof ask>;
        }
        // A view behind us would give an answer whose end we have seen already, and never drop it.
        const position = views.knownPosition(view);
        const answer = ask(...args);
        if (position === undefined || position < follower.seen()) {
          counts.bypassed += 1;
          return answer;
        }
        // At once, so that an event that comes while the view is asked drops it.
        counts.asked += 1;
        answers.keep(key, subjectOf(...args), answer);
        return answer;
      };
    },

    counts: () => ({ ...counts }),
    close: () => follower.close(),
  };
}
