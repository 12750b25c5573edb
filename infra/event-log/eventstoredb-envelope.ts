import { type EventData, jsonEvent, type RecordedEvent as StoredEvent } from '@eventstore/db-client';
import type { Metadata, RecordedEvent } from '../../domain/event.ts';
import { writeEvents } from './append-size.ts';
import { UnreadableEvent } from './eventstoredb-errors.ts';
import type { Append } from './port.ts';

/** What the server keeps as an event's metadata; id and type have fields of their own there. */
interface Envelope {
  readonly version: number;
  readonly metadata: Metadata;
}

/** The events as the client takes them. @throws AppendTooLarge @throws RangeError */
export function encode(append: Append): EventData[] {
  // The client writes the JSON itself; what is written here only proves that the port's limits hold.
  writeEvents(append);
  return append.events.map(({ id, type, version, data, metadata }) => {
    const envelope: Envelope = { version, metadata };
    return jsonEvent({ id, type, data: data as Record<string, unknown>, metadata: { ...envelope } });
  });
}

/** @throws UnreadableEvent */
export function decode(prefix: string, stored: StoredEvent): RecordedEvent {
  const { streamId, revision, id, type, data, created, position } = stored;
  const { version, metadata } = (stored.metadata ?? {}) as Partial<Envelope>;
  if (position === undefined || version === undefined || metadata === undefined || !stored.isJson)
    throw new UnreadableEvent(
      `the event ${revision} of the stream ${streamId} cannot be read as one of Shiplog's`,
    );
  return {
    position: position.commit,
    stream: streamId.slice(prefix.length),
    revision,
    id,
    type,
    version,
    data: data as object,
    metadata,
    recordedAt: created,
  };
}
