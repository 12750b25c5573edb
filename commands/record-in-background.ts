import { setTimeout as sleep } from 'node:timers/promises';
import { type Catalogue, currentVersion } from '../domain/catalogue.ts';
import type { DomainEvent, Metadata } from '../domain/event.ts';
import { type EventLog, LogUnavailable, type NewEvent } from '../infra/event-log/port.ts';

/** Facts that guard nothing, such as logins and pulls: nobody waits until they are recorded. */
export interface BackgroundRecorder {
  /** Returns at once. An event for which there is no room is dropped, and counted. */
  record(stream: string, event: DomainEvent, metadata: Metadata): void;
  /** Resolves when all that was given so far is recorded or was dropped. */
  flushed(): Promise<void>;
  /** Records what is left, for a bounded time, and takes nothing more. */
  close(): Promise<void>;
}

export interface BackgroundPorts {
  readonly log: EventLog;
  readonly catalogue: Catalogue;
  /** A new UUIDv7. */
  readonly newEventId: () => string;
  /** How many events may wait. */
  readonly capacity?: number;
  /** That many events are lost. */
  onDropped(events: number): void;
  /** An append failed for another reason than that the log is away. */
  onError(error: unknown): void;
}

/** Some megabytes at most, for events of the size of a login. */
const usualCapacity = 10_000;
/** In one append; well under what an engine takes at once, also where each event has long metadata. */
const maxBatch = 200;
/** Between attempts while the log is away, in milliseconds. */
const pauseMs = 500;
/** How long `close` tries, in milliseconds. */
const closeMs = 5000;

interface Waiting {
  readonly stream: string;
  readonly event: NewEvent;
}

export function backgroundRecorder(ports: BackgroundPorts): BackgroundRecorder {
  const { log, catalogue, newEventId, capacity = usualCapacity } = ports;
  const waiting: Waiting[] = [];
  const closing = new AbortController();
  let closed = false;
  let working: Promise<void> | undefined;

  async function work(): Promise<void> {
    // Those of the same turn of the event loop go into one batch.
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = nextBatch();
      const [{ stream } = { stream: '' }] = batch;
      if (!(await append(stream, batch))) ports.onDropped(batch.length);
      waiting.splice(0, batch.length);
    }
    working = undefined;
  }

  /** The first events that wait, as far as they are of one stream. */
  function nextBatch(): readonly Waiting[] {
    const other = waiting.findIndex(({ stream }) => stream !== waiting[0]?.stream);
    return waiting.slice(0, Math.min(other === -1 ? waiting.length : other, maxBatch));
  }

  /** Tries until the log takes it, with the same ids, so that a repetition records nothing twice. */
  async function append(stream: string, batch: readonly Waiting[]): Promise<boolean> {
    for (;;) {
      try {
        await log.append(
          stream,
          'any',
          batch.map(({ event }) => event),
        );
        return true;
      } catch (error) {
        if (!(error instanceof LogUnavailable)) {
          ports.onError(error);
          return false;
        }
      }
      if (closing.signal.aborted) return false;
      await sleep(pauseMs, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  }

  const flushed = async (): Promise<void> => {
    while (working !== undefined) await working;
  };

  return {
    record(stream, { type, data }, metadata) {
      if (closed || waiting.length >= capacity) return ports.onDropped(1);
      const version = currentVersion(catalogue, type);
      waiting.push({ stream, event: { id: newEventId(), type, version, data, metadata } });
      working ??= work();
    },

    flushed,

    async close() {
      closed = true;
      const patience = setTimeout(() => closing.abort(), closeMs);
      await flushed();
      clearTimeout(patience);
    },
  };
}
