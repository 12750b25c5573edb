import { createHash } from 'node:crypto';
import type { Metadata, RecordedEvent } from '../../domain/event.ts';
import { writeEvents } from './append-size.ts';
import type { Append, NewEvent } from './port.ts';

/** One append as a JetStream message: whole or not there at all, which makes an append of several events atomic. */
export interface AppendMessage {
  /** Of the message in the JetStream stream. */
  readonly sequence: number;
  readonly stream: string;
  /** Of the first event. */
  readonly revision: number;
  /** The sequence of the message before this one on the same subject, 0 for none. */
  readonly previous: number;
  readonly recordedAtMs: number;
  readonly events: readonly NewEvent[];
}

/** What the payload of the message holds; `notBefore` is a lower bound of `recordedAtMs`. */
interface Payload {
  readonly stream: string;
  readonly revision: number;
  readonly previous: number;
  readonly notBefore: number;
  readonly events: readonly NewEvent[];
}

/** `maxEventsPerAppend` is below it, so an event's index in its message always fits. */
const positionsPerMessage = 1024n;

export const positionOf = (sequence: number, index: number): bigint =>
  BigInt(sequence) * positionsPerMessage + BigInt(index);
export const lastPositionOf = ({ sequence, events }: AppendMessage): bigint =>
  positionOf(sequence, events.length - 1);
/** The sequence of the message that holds `position`. */
export const sequenceOf = (position: bigint): number => Number(position / positionsPerMessage);
/** The revision of the message's last event. */
export const lastRevisionOf = ({ revision, events }: AppendMessage): number => revision + events.length - 1;

/** A batch that has reached this many ends with the message that is in it. */
const eventsPerBatch = 1000;

/** Characters of an encoded name that are kept; a longer one is hashed, because a subject is part of every API call. */
const longestToken = 200;

/**
 * `stream` as one token of a NATS subject. Bytes that a subject cannot hold, and dots, are written as `%XX`; a long
 * name becomes `~` and its SHA-256, and no other token has a `~`.
 */
export function subjectToken(stream: string): string {
  const token = encodeURIComponent(stream)
    .replace(/[.*!~'()]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/%(2F|3A|40)/g, decodeURIComponent);
  if (token.length <= longestToken) return token;
  return `~${createHash('sha256').update(stream).digest('hex')}`;
}

/** `Nats-Msg-Id` of an append: the same events on another stream are another append. */
export const messageIdOf = (stream: string, events: readonly NewEvent[]): string =>
  createHash('sha256')
    .update(JSON.stringify([stream, events.map(({ id }) => id)]))
    .digest('base64url');

/** The events as JSON text. @throws AppendTooLarge @throws RangeError */
export function encodeEvents(append: Append): string {
  const items = writeEvents(append).written.map(({ id, type, version, data, metadata }) => {
    const head = JSON.stringify({ id, type, version }).slice(1, -1);
    return `{${head},"metadata":${metadata},"data":${data}}`;
  });
  return `[${items.join(',')}]`;
}

export const encodePayload = (head: Omit<Payload, 'events'>, eventsJson: string): Buffer =>
  Buffer.from(`{${JSON.stringify(head).slice(1, -1)},"events":${eventsJson}}`);

export function decodeMessage(sequence: number, timestampMs: number, payload: Uint8Array): AppendMessage {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const { stream, revision, previous, notBefore, events }: Payload = JSON.parse(bytes.toString());
  return {
    sequence,
    stream,
    revision,
    previous,
    recordedAtMs: Math.max(timestampMs, notBefore),
    events,
  };
}

export function recordedEvents(message: AppendMessage): RecordedEvent[] {
  const { sequence, stream, revision, recordedAtMs } = message;
  return message.events.map(({ id, type, version, data, metadata }, index) => ({
    position: positionOf(sequence, index),
    stream,
    revision: BigInt(revision + index),
    id,
    type,
    version,
    data,
    metadata: metadata as Metadata,
    recordedAt: new Date(recordedAtMs),
  }));
}

/** The position of `events` when they are what `message` holds. */
export function positionIfSame(message: AppendMessage, events: readonly NewEvent[]): bigint | undefined {
  const same =
    message.events.length === events.length &&
    message.events.every(({ id }, index) => id === events[index]?.id);
  return same ? lastPositionOf(message) : undefined;
}

/** The events of `messages` after a position, in batches of bounded count. */
export function* batchesOf(
  messages: readonly AppendMessage[],
  after: bigint,
): Generator<readonly RecordedEvent[]> {
  let batch: RecordedEvent[] = [];
  for (const message of messages) {
    if (lastPositionOf(message) <= after) continue;
    batch.push(...recordedEvents(message).filter(({ position }) => position > after));
    if (batch.length >= eventsPerBatch) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}
