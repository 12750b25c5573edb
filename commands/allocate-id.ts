import { setTimeout as sleep } from 'node:timers/promises';
import { type Catalogue, currentVersion } from '../domain/catalogue.ts';
import type { Metadata } from '../domain/event.ts';
import { type IdKind, type IdsEvent, idAt, idsStream } from '../domain/ids/events.ts';
import { type EventLog, RevisionConflict } from '../infra/event-log/port.ts';
import { beyondAnyEnd } from './record.ts';

/** A number that no other event of the log has for the same kind of thing. */
export type AllocateId = (kind: IdKind, metadata: Metadata) => Promise<number>;

export interface AllocateIdPorts {
  readonly log: EventLog;
  readonly catalogue: Catalogue;
  readonly newEventId: () => string;
}

const maxAttempts = 50;
const maxPauseMs = 50;

/** The log itself is the sequence: the number follows from the revision that the stream gave to our event. */
export function idAllocator({ log, catalogue, newEventId }: AllocateIdPorts): AllocateId {
  /** The last revision of each stream, as this process knows it; another process may be further. */
  const known = new Map<IdKind, bigint>();
  const turns = new Map<IdKind, Promise<unknown>>();

  return (kind, metadata) => {
    // One after the other: rivals within a process would only conflict.
    const turn = (turns.get(kind) ?? Promise.resolve()).then(
      () => allocate(kind, metadata),
      () => allocate(kind, metadata),
    );
    turns.set(kind, turn);
    return turn;
  };

  async function allocate(kind: IdKind, metadata: Metadata): Promise<number> {
    for (let attempt = 1; ; attempt += 1) {
      const last = known.get(kind) ?? (await lastRevision(kind));
      const next = (last ?? -1n) + 1n;
      const event: IdsEvent = { type: 'IdAllocated', data: { kind, id: idAt(kind, next) } };
      const recorded = {
        ...event,
        id: newEventId(),
        version: currentVersion(catalogue, event.type),
        metadata,
      };
      try {
        await log.append(idsStream(kind), last ?? 'none', [recorded]);
        known.set(kind, next);
        return event.data.id;
      } catch (error) {
        // Whatever went wrong, the event may be there.
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
