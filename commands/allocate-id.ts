import { setTimeout as sleep } from 'node:timers/promises';
import { type Catalogue, currentVersion } from '../domain/catalogue.ts';
import type { Metadata } from '../domain/event.ts';
import { type IdKind, type IdsEvent, idAt, idsStream } from '../domain/ids/events.ts';
import { type EventLog, maxEventsPerAppend, RevisionConflict } from '../infra/event-log/port.ts';
import { beyondAnyEnd } from './record.ts';

/** A number that no other event of the log has for the same kind of thing. */
export type AllocateId = (kind: IdKind, metadata: Metadata) => Promise<number>;

/** The same for `count` numbers, which follow each other up to a thousand at least. */
export type AllocateIds = (kind: IdKind, count: number, metadata: Metadata) => Promise<readonly number[]>;

export interface AllocateIdPorts {
  readonly log: EventLog;
  readonly catalogue: Catalogue;
  readonly newEventId: () => string;
}

const maxAttempts = 50;
const maxPauseMs = 50;

/** See `idsAllocator`. */
export function idAllocator(ports: AllocateIdPorts): AllocateId {
  const allocateIds = idsAllocator(ports);
  return async (kind, metadata) => {
    const [id] = await allocateIds(kind, 1, metadata);
    if (id === undefined) throw new Error(`no number was given away for ${kind}`);
    return id;
  };
}

/** The log itself is the sequence: the numbers follow from the revisions that the stream gave to our events. */
export function idsAllocator({ log, catalogue, newEventId }: AllocateIdPorts): AllocateIds {
  /** The last revision of each stream, as this process knows it; another process may be further. */
  const known = new Map<IdKind, bigint>();
  const turns = new Map<IdKind, Promise<unknown>>();

  return async (kind, count, metadata) => {
    const ids: number[] = [];
    while (ids.length < count) {
      const some = Math.min(count - ids.length, maxEventsPerAppend);
      // One after the other: rivals within a process would only conflict.
      const turn = (turns.get(kind) ?? Promise.resolve()).then(
        () => allocate(kind, some, metadata),
        () => allocate(kind, some, metadata),
      );
      turns.set(kind, turn);
      ids.push(...(await turn));
    }
    return ids;
  };

  async function allocate(kind: IdKind, count: number, metadata: Metadata): Promise<readonly number[]> {
    for (let attempt = 1; ; attempt += 1) {
      const last = known.get(kind) ?? (await lastRevision(kind));
      const first = (last ?? -1n) + 1n;
      const ids = Array.from({ length: count }, (_, index) => idAt(kind, first + BigInt(index)));
      const events = ids.map((id) => {
        const event: IdsEvent = { type: 'IdAllocated', data: { kind, id } };
        return { ...event, id: newEventId(), version: currentVersion(catalogue, event.type), metadata };
      });
      try {
        await log.append(idsStream(kind), last ?? 'none', events);
        known.set(kind, first + BigInt(count - 1));
        return ids;
      } catch (error) {
        // Whatever went wrong, the events may be there.
        known.delete(kind);
        if (!(error instanceof RevisionConflict) || attempt === maxAttempts) throw error;
        await sleep(Math.random() * Math.min(2 ** attempt, maxPauseMs));
      }
    }
  }

  async function lastRevision(kind: IdKind): Promise<bigint | undefined> {
    const { revision } = await log.readStream(idsStream(kind), beyondAnyEnd);
    return revision === 'none' ? undefined : revision;
  }
}
