import { type EventFilter, filterMatches } from '../../domain/public-event/filter.ts';
import type { EventHead } from './event-head.ts';
import { type PagePorts, readPage, type Told, tellTo } from './pages.ts';
import type { EventReader } from './reader.ts';

export interface FeedPorts extends PagePorts {
  readonly head: EventHead;
  /** How long a feed says nothing at the most, in milliseconds. */
  readonly heartbeatMs: number;
}

export interface Feed {
  readonly after: bigint;
  readonly filter: EventFilter;
  /** The reader with the rights that he has now; undefined once he may not read any more. */
  readerNow(): Promise<EventReader | undefined>;
  /** Ends it, at once where it waits. */
  readonly signal: AbortSignal;
}

/** What has happened since the last part of a feed. */
export interface FeedPart {
  readonly told: readonly Told[];
  /** Everything up to here was looked at. */
  readonly position: bigint;
}

const pageLimit = 200;
/** Who may what is asked again after this, also where no event says that it has changed. */
const askAgainMs = 30_000;
/** Of events that are not asked for; before the head has forgotten them a feed has to look at them. */
const maxUnseen = 500;

/**
 * What is asked for after a position, and then what happens, until `signal` aborts or the reader may not read any more. There
 * are parts without an event, now and then at least, by which a reader who is told nothing learns how far that is. Nothing is read while nobody takes.
 */
export async function* feedOf(
  ports: FeedPorts,
  { after, filter, readerNow, signal }: Feed,
): AsyncGenerator<FeedPart, void> {
  const { head } = ports;
  const ending = AbortSignal.any([signal, head.ended]);
  await head.join();
  let wake = (): void => undefined;
  /** Events that came while nobody was woken for them. */
  let unseen = 0;
  const stopListening = [
    head.listen((events, changed) => {
      unseen += events.length;
      if (changed || unseen > maxUnseen || events.some((event) => filterMatches(filter, event))) wake();
    }),
    every(ports.heartbeatMs, () => wake()),
    onAbort(ending, () => wake()),
  ];
  let position = after;
  let reader: EventReader | undefined;
  let rights = -1;
  let askedAt = 0;

  async function refresh(): Promise<EventReader | undefined> {
    rights = head.rights();
    askedAt = performance.now();
    reader = await readerNow();
    return reader;
  }

  try {
    while (!ending.aborted) {
      unseen = 0;
      const newest = head.after(position);
      if (newest === undefined) {
        // A page may hold what took rights away, so each is read with those that were left at its end.
        const end = await ports.shownUpTo();
        const pageReader = await refresh();
        if (pageReader === undefined) return;
        const question = { after: position, before: end + 1n, filter, descending: false, limit: pageLimit };
        const { told, next = end } = await readPage(ports, pageReader, question, end);
        position = next;
        yield { told, position };
        continue;
      }
      if (reader === undefined || rights !== head.rights() || performance.now() - askedAt > askAgainMs) {
        if ((await refresh()) === undefined) return;
        // Meanwhile more may have come.
        if (rights !== head.rights()) continue;
      }
      const told: Told[] = [];
      for (const event of newest.events) {
        const one = await tellTo(reader as EventReader, event, filter);
        if (one !== undefined) told.push(one);
      }
      position = newest.position;
      yield { told, position };
      const isNewest = () => head.after(position)?.position === position && rights === head.rights();
      // What has come since is taken without waiting.
      if (isNewest() && !ending.aborted)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    for (const stop of stopListening) stop();
  }
}

function every(ms: number, work: () => void): () => void {
  const timer = setInterval(work, ms);
  timer.unref();
  return () => clearInterval(timer);
}

function onAbort(signal: AbortSignal, work: () => void): () => void {
  signal.addEventListener('abort', work);
  return () => signal.removeEventListener('abort', work);
}

/** After every position. */
export const endOfTime = 2n ** 63n - 1n;
