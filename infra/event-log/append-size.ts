import { type Append, AppendTooLarge, maxEventBytes, maxEventsPerAppend } from './port.ts';

const maxStreamBytes = 1024;

/** An event with its data and metadata as the JSON text that is stored. */
export interface WrittenEvent {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly data: string;
  readonly metadata: string;
}

/**
 * Writes an append's events as JSON; `bytes` is the length of all that text as UTF-8.
 * @throws AppendTooLarge when it is over the port's limits. @throws RangeError for an append without events or a
 * stream name that is empty, over 1024 bytes or holds a NUL or half a surrogate pair, which no engine can store.
 */
export function writeEvents({ stream, events }: Append): {
  readonly written: WrittenEvent[];
  readonly bytes: number;
} {
  if (events.length === 0) throw new RangeError(`an append to ${stream} holds no event`);
  if (stream === '' || Buffer.byteLength(stream) > maxStreamBytes) {
    throw new RangeError(
      `a stream name has 1 to ${maxStreamBytes} bytes, this one ${Buffer.byteLength(stream)}`,
    );
  }
  if (stream.includes('\0') || !stream.isWellFormed()) {
    throw new RangeError('a stream name is well-formed Unicode without NUL');
  }
  if (events.length > maxEventsPerAppend) {
    throw new AppendTooLarge(
      `an append holds at most ${maxEventsPerAppend} events, this one ${events.length}`,
    );
  }
  let bytes = 0;
  const written = events.map(({ id, type, version, ...texts }) => {
    const data = JSON.stringify(texts.data);
    const metadata = JSON.stringify(texts.metadata);
    bytes += Buffer.byteLength(data) + Buffer.byteLength(metadata);
    return { id, type, version, data, metadata };
  });
  if (bytes > maxEventBytes) {
    throw new AppendTooLarge(`an append has at most ${maxEventBytes} bytes, this one ${bytes}`);
  }
  return { written, bytes };
}
