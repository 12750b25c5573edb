import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordedEvent } from '../../domain/event.ts';
import {
  type Append,
  type EventLog,
  LogUnavailable,
  type NewEvent,
  RevisionConflict,
} from '../event-log/port.ts';
import { fillIn } from './fill-in.ts';
import type { UserNames } from './port.ts';
import { streamNames } from './stream-names.ts';
import { takeOut } from './take-out.ts';

const outagePauseMs = 200;

/**
 * `log`, in which no user's name stands: in the place of each there is his number, or, of a name that nobody bears, the
 * encrypted name. Who writes and reads through here sees names, and of users who were erased their pseudonyms. What was
 * recorded before, with names, is read as it is.
 */
export function namelessLog(log: EventLog, names: UserNames): EventLog {
  const streams = streamNames(log, names);
  const underWay = new Set<Promise<unknown>>();
  let isClosed = false;

  async function append(appends: readonly Append[], write: Write): Promise<bigint> {
    const { nameless, created } = await prepared(appends);
    try {
      const position = await write(nameless);
      if (created.length > 0) await names.confirm(created);
      return position;
    } catch (error) {
      if (!(error instanceof RevisionConflict)) throw error;
      const index = nameless.findIndex(({ stream }) => stream === error.stream);
      // Where the engine appends one by one, those before have come to be.
      const refused = log.appendsManyAtomically ? appends : index === -1 ? [] : appends.slice(index);
      const never = created.filter((userId) => refused.some((append) => creates(append, userId)));
      if (never.length > 0) await names.drop(never);
      throw new RevisionConflict(appends[index]?.stream ?? error.stream, error.expected, { cause: error });
    }
  }

  /** An append that was accepted before `close` comes to the engine before that is closed. */
  async function prepared(appends: readonly Append[]): Promise<Prepared> {
    if (isClosed) throw new LogUnavailable('the event log is closed');
    const preparing = prepare(appends);
    underWay.add(preparing);
    try {
      return await preparing;
    } finally {
      underWay.delete(preparing);
    }
  }

  async function prepare(appends: readonly Append[]): Promise<Prepared> {
    await names.refresh();
    const { events, created, mentioned } = await takeOut(appends, names);
    const nameless = await Promise.all(
      appends.map(async ({ stream, expectedRevision }, index) => ({
        stream: await streams.of(stream, expectedRevision),
        expectedRevision,
        events: events[index] as readonly NewEvent[],
      })),
    );
    // Until then another process may take who bears the name for who bore it before.
    if (mentioned.reused) await sleep(names.staleMs * 1.25);
    return { nameless, created };
  }

  const read = (events: readonly RecordedEvent[]) => fillIn(events, names);

  return {
    engine: log.engine,
    appendsManyAtomically: log.appendsManyAtomically,

    append: (stream, expectedRevision, events) =>
      append([{ stream, expectedRevision, events }], ([only]) =>
        log.append(only?.stream ?? stream, expectedRevision, only?.events ?? events),
      ),
    appendMany: (appends) => append(appends, (nameless) => log.appendMany(nameless)),

    async readStream(stream, from) {
      const isOfUser = streams.isOfUser(stream);
      const slice = await log.readStream(isOfUser ? await streams.toRead(stream) : stream, from);
      const events = await read(slice.events);
      // By the name that was asked for, whatever the log calls it.
      return { ...slice, events: isOfUser ? events.map((event) => ({ ...event, stream })) : events };
    },

    async *readAll(after) {
      for await (const events of log.readAll(after)) yield await read(events);
    },

    async *readAt(positions) {
      for await (const events of log.readAt(positions)) yield await read(events);
    },

    async *subscribe(after, signal) {
      for await (const events of log.subscribe(after, signal)) {
        const named = await untilRead(events, signal);
        if (named === undefined) return;
        yield named;
      }
    },

    head: () => log.head(),
    async close() {
      isClosed = true;
      await Promise.allSettled(underWay);
      // Those that are prepared are handed on in this turn.
      await new Promise((turn) => setImmediate(turn));
      await log.close();
    },
  };

  /** A subscription survives a restart of the database of the names as well. */
  async function untilRead(
    events: readonly RecordedEvent[],
    signal: AbortSignal,
  ): Promise<readonly RecordedEvent[] | undefined> {
    while (!signal.aborted) {
      try {
        return await read(events);
      } catch (error) {
        if (!(error instanceof LogUnavailable)) throw error;
        await sleep(outagePauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
    return undefined;
  }
}

const creates = ({ events }: Append, userId: number): boolean =>
  events.some(({ type, data }) => type === 'UserCreated' && (data as { userId?: unknown }).userId === userId);

interface Prepared {
  readonly nameless: readonly Append[];
  readonly created: readonly number[];
}
type Write = (appends: readonly Append[]) => Promise<bigint>;
