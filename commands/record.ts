import { setTimeout as sleep } from 'node:timers/promises';
import { type Catalogue, currentVersion, upcast } from '../domain/catalogue.ts';
import type { Decider } from '../domain/decider.ts';
import type { DomainEvent, Metadata, RecordedEvent } from '../domain/event.ts';
import {
  type Append,
  type EventLog,
  type NewEvent,
  RevisionConflict,
  type StreamSlice,
} from '../infra/event-log/port.ts';

/** A command on one stream, ready to be decided on what the stream holds. */
export interface Decision<State, Event extends DomainEvent = DomainEvent> {
  readonly stream: string;
  decide(history: readonly RecordedEvent[]): {
    readonly events: readonly Event[];
    readonly state: State;
  };
  /** `last` where the state is what the last event says: then no more of the stream is read, however long it is. */
  readonly needs?: 'last';
  /**
   * Reads what else it depends on, before each attempt; once for all decisions that have the same function. What comes
   * after that, and before the append, it does not see.
   */
  refresh?(): Promise<void>;
  /** Is told of the events, as they will be in the stream, before each attempt to append them. */
  appending?(events: readonly NewEvent[]): void;
}

/** `state` is what `command` leaves behind, whether or not it made something happen. */
export const decision = <State, Command, Event extends DomainEvent>(
  stream: string,
  decider: Decider<State, Command, Event>,
  command: Command,
  needs?: 'last',
): Decision<State, Event> => ({
  stream,
  ...(needs !== undefined && { needs }),
  decide(history) {
    const before = stateAfter(decider, history);
    const events = decider.decide(before, command);
    return { events, state: events.reduce(decider.evolve, before) };
  },
});

/** A fact about a stream that has no rules: nothing can forbid it. */
export const happened = <Event extends DomainEvent>(
  stream: string,
  event: Event,
): Decision<undefined, Event> => ({
  stream,
  needs: 'last',
  decide: () => ({ events: [event], state: undefined }),
});

/** `history` is that of the decider's stream, in the current versions of its events. */
const stateAfter = <State, Command, Event extends DomainEvent>(
  { initial, evolve }: Decider<State, Command, Event>,
  history: readonly RecordedEvent[],
): State => (history as readonly unknown[] as readonly Event[]).reduce(evolve, initial);

/** What has happened to `stream`, whose events are of the given types; in their current versions. */
export async function historyOf<Event extends DomainEvent>(
  log: Pick<EventLog, 'readStream'>,
  catalogue: Catalogue,
  stream: string,
): Promise<readonly RecordedEvent<Event>[]> {
  const { events } = await log.readStream(stream);
  return events.map((event) =>
    upcast(catalogue, event),
  ) as readonly unknown[] as readonly RecordedEvent<Event>[];
}

/** What `decider` would decide on, for what is no decision. */
export const stateOf = async <State, Command, Event extends DomainEvent>(
  log: EventLog,
  catalogue: Catalogue,
  stream: string,
  decider: Decider<State, Command, Event>,
): Promise<State> => stateAfter(decider, await historyOf(log, catalogue, stream));

type States<Decisions extends readonly Decision<unknown>[]> = {
  [Index in keyof Decisions]: Decisions[Index] extends Decision<infer State> ? State : never;
};

type Events<Decisions extends readonly Decision<unknown>[]> = {
  [Index in keyof Decisions]: Decisions[Index] extends Decision<unknown, infer Event>
    ? readonly Event[]
    : never;
};

export interface Recorded<Decisions extends readonly Decision<unknown>[]> {
  /** A view that has reached this position shows what the decisions left behind, also where nothing was appended. */
  readonly position: bigint;
  readonly states: States<Decisions>;
  /**
   * What each decision has made happen: nothing where somebody else came before. Of several decisions all but the last
   * may have done so in an earlier attempt, which is not told, where the engine appends one by one.
   */
  readonly events: Events<Decisions>;
}

/**
 * Decides and appends, as one where the engine can, else in the given order.
 * @throws Refusal from a decider. @throws RevisionConflict when rivals win every one of the attempts.
 * @throws LogUnavailable
 */
export type Recorder = <const Decisions extends readonly Decision<unknown>[]>(
  metadata: Metadata,
  ...decisions: Decisions
) => Promise<Recorded<Decisions>>;

/**
 * Rivals on a stream are other processes, one attempt of each at a time, of which one wins: with ten of them this many
 * lose one time in forty thousand. A longer pause would only let the others win more often.
 */
const maxAttempts = 100;
const maxPauseMs = 10;

export interface RecordPorts {
  readonly log: EventLog;
  readonly catalogue: Catalogue;
  /** A new UUIDv7. */
  readonly newEventId: () => string;
}

/** No stream gets there, so a read from here on says where the stream ends and reads no event. */
export const beyondAnyEnd = 2n ** 48n;

export function recorder({ log, catalogue, newEventId }: RecordPorts): Recorder {
  const turns = new Map<string, Promise<unknown>>();

  return (metadata, ...decisions) => {
    const streams = decisions.map(({ stream }) => stream);
    return inTurn(turns, streams, () => retryOnConflict(() => attempt(metadata, decisions)));
  };

  async function readLast(stream: string): Promise<StreamSlice> {
    const end = await log.readStream(stream, beyondAnyEnd);
    return end.revision === 'none' ? end : log.readStream(stream, end.revision);
  }

  async function attempt<const Decisions extends readonly Decision<unknown>[]>(
    metadata: Metadata,
    decisions: Decisions,
  ): Promise<Recorded<Decisions>> {
    const refreshing = new Set(decisions.flatMap(({ refresh }) => refresh ?? []));
    await Promise.all([...refreshing].map((refresh) => refresh()));
    const slices = await Promise.all(
      decisions.map(({ stream, needs }) => (needs === 'last' ? readLast(stream) : log.readStream(stream))),
    );
    const appends: Append[] = [];
    let position = 0n;
    const decided = decisions.map((decision, index) => {
      const { stream } = decision;
      const slice = slices[index];
      const history = slice?.events.map((event) => upcast(catalogue, event)) ?? [];
      const { events, state } = decision.decide(history);
      const last = history.at(-1)?.position ?? 0n;
      if (last > position) position = last;
      if (events.length > 0) {
        const append = { stream, expectedRevision: slice?.revision ?? 'none', events: events.map(newEvent) };
        decision.appending?.(append.events);
        appends.push(append);
      }
      return { events, state };
    });
    if (appends.length > 0) position = await log.appendMany(appends);
    const states = decided.map(({ state }) => state) as States<Decisions>;
    return { position, states, events: decided.map(({ events }) => events) as Events<Decisions> };

    function newEvent({ type, data }: DomainEvent): NewEvent {
      return { id: newEventId(), type, version: currentVersion(catalogue, type), data, metadata };
    }
  }
}

/** The one place that retries: whoever lost the race decides again on what the winner left. */
async function retryOnConflict<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof RevisionConflict) || attempts === maxAttempts) throw error;
      await sleep(Math.random() * Math.min(2 ** attempts, maxPauseMs));
    }
  }
}

/**
 * Runs `work` after all earlier work of this process on any of `streams`: rivals within a process would only
 * conflict and decide again, so that a thousand pushes of one tag would cost half a million attempts.
 */
async function inTurn<Result>(
  turns: Map<string, Promise<unknown>>,
  streams: readonly string[],
  work: () => Promise<Result>,
): Promise<Result> {
  const earlier = Promise.allSettled(streams.map((stream) => turns.get(stream)));
  const turn = earlier.then(work);
  for (const stream of streams) turns.set(stream, turn);
  try {
    return await turn;
  } finally {
    for (const stream of streams) if (turns.get(stream) === turn) turns.delete(stream);
  }
}
