import { mkdirSync } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

export interface ProposedEvent {
  readonly id: string;
  readonly type: string;
  readonly contentType: string;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

export interface StoredEvent extends ProposedEvent {
  readonly stream: string;
  readonly revision: number;
  /** Where the event's record begins in the transaction file: its commit and prepare position. */
  readonly position: number;
  /** Where the next record begins. */
  readonly next: number;
  /** Ticks of 100 ns since 1970. */
  readonly created: string;
}

export type Expected = number | 'any' | 'no_stream' | 'stream_exists';

export type Appended =
  | { readonly outcome: 'appended'; readonly last: StoredEvent }
  | { readonly outcome: 'wrong-expected-version'; readonly current: number | undefined };

/** A write of one append: all of its events are on disk, or none. */
interface Group {
  readonly events: readonly StoredEvent[];
  readonly settle: () => void;
}

const frameHeaderBytes = 8;
/** As the real server: ids are known while they are recent, and none after a start. */
const rememberedIds = 20_000;

/**
 * Events in one file, written as the real server decides (`IndexWriter.CheckCommit`): an append is on disk before it is
 * answered or read. A frame is its length and CRC-32 and then JSON; a torn last frame is dropped at the start.
 */
export class Store {
  /** What readers see, by position. */
  readonly all: StoredEvent[] = [];
  readonly #streams = new Map<string, StoredEvent[]>();
  readonly #recent = new Map<string, StoredEvent>();
  readonly #file: FileHandle;
  #nextPosition = 0;
  #pending: Group[] = [];
  #flushing: Promise<void> | undefined;
  #changed = Promise.withResolvers<void>();

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(folder: string): Promise<Store> {
    mkdirSync(folder, { recursive: true });
    const path = join(folder, 'events.log');
    const file = await open(path, 'a+');
    const store = new Store(file);
    const bytes = await readFile(path);
    const end = store.#load(bytes);
    await file.truncate(end);
    // The transaction file of the real server begins with its epoch, which is no event.
    if (end === 0) store.#nextPosition = 173;
    return store;
  }

  /** The committed events of `stream`; undefined where there is none. */
  stream(name: string): readonly StoredEvent[] | undefined {
    const events = this.#streams.get(name)?.filter(({ position }) => position <= this.lastPosition);
    return events === undefined || events.length === 0 ? undefined : events;
  }

  get lastPosition(): number {
    return this.all.at(-1)?.position ?? -1;
  }

  /** The index in `all` of the first event at or after `position`. */
  indexAt(position: number): number {
    let [low, high] = [0, this.all.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.all[middle] as StoredEvent).position < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Resolves when there are more events than now. */
  changed(): Promise<void> {
    return this.#changed.promise;
  }

  async append(stream: string, expected: Expected, events: readonly ProposedEvent[]): Promise<Appended> {
    const existing = this.#streams.get(stream) ?? [];
    const current = existing.length - 1;
    const wrong: Appended = {
      outcome: 'wrong-expected-version',
      current: current < 0 ? undefined : current,
    };
    if (expected === 'any' || expected === 'stream_exists') {
      if (expected === 'stream_exists' && current < 0) return wrong;
      const known = events.map(({ id }) => this.#recent.get(id));
      if (known[0]?.stream === stream)
        return known.every((event) => event?.stream === stream)
          ? this.#repeated(known.at(-1) as StoredEvent)
          : wrong;
    } else {
      const at = expected === 'no_stream' ? 0 : expected + 1;
      if (at > existing.length) return wrong;
      if (at < existing.length) {
        const same = events.every(({ id }, n) => existing[at + n]?.id === id);
        return same ? this.#repeated(existing[at + events.length - 1] as StoredEvent) : wrong;
      }
    }
    const last = await this.#write(stream, events);
    return { outcome: 'appended', last };
  }

  async #repeated(last: StoredEvent): Promise<Appended> {
    await this.#flushing;
    return { outcome: 'appended', last };
  }

  async #write(stream: string, proposed: readonly ProposedEvent[]): Promise<StoredEvent> {
    const created = `${Date.now()}0000`;
    const existing = this.#streams.get(stream)?.length ?? 0;
    const events = proposed.map((event, n): StoredEvent => {
      const position = this.#nextPosition;
      const bytes = 96 + 2 * (stream.length + event.type.length) + event.data.length + event.metadata.length;
      this.#nextPosition += bytes;
      return { ...event, stream, revision: existing + n, position, next: position + bytes, created };
    });
    this.#index(events);
    for (const event of events) this.#remember(event);
    const written = Promise.withResolvers<void>();
    this.#pending.push({ events, settle: written.resolve });
    this.#flushing ??= this.#flush();
    await written.promise;
    return events.at(-1) as StoredEvent;
  }

  async #flush(): Promise<void> {
    while (this.#pending.length > 0) {
      const groups = this.#pending;
      this.#pending = [];
      await this.#file.appendFile(Buffer.concat(groups.map(({ events }) => frameOf(events))));
      await this.#file.datasync();
      for (const { events, settle } of groups) {
        this.all.push(...events);
        settle();
      }
      const changed = this.#changed;
      this.#changed = Promise.withResolvers();
      changed.resolve();
    }
    this.#flushing = undefined;
  }

  #index(events: readonly StoredEvent[]): void {
    for (const event of events) {
      const stream = this.#streams.get(event.stream);
      if (stream === undefined) this.#streams.set(event.stream, [event]);
      else stream.push(event);
    }
  }

  #remember(event: StoredEvent): void {
    this.#recent.set(event.id, event);
    if (this.#recent.size <= rememberedIds) return;
    for (const [oldest] of this.#recent) {
      this.#recent.delete(oldest);
      break;
    }
  }

  /** Reads the frames of `bytes` and answers where the last whole one ends. */
  #load(bytes: Buffer): number {
    let end = 0;
    while (end + frameHeaderBytes <= bytes.length) {
      const start = end + frameHeaderBytes;
      const payload = bytes.subarray(start, start + bytes.readUInt32LE(end));
      if (payload.length < bytes.readUInt32LE(end) || crc32(payload) !== bytes.readUInt32LE(end + 4)) break;
      const events = eventsOf(payload);
      this.#index(events);
      this.all.push(...events);
      this.#nextPosition = events.at(-1)?.next ?? this.#nextPosition;
      end = start + payload.length;
    }
    return end;
  }
}

function frameOf(events: readonly StoredEvent[]): Buffer {
  const encode = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const payload = Buffer.from(
    JSON.stringify(
      events.map((event) => ({ ...event, data: encode(event.data), metadata: encode(event.metadata) })),
    ),
  );
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUInt32LE(payload.length, 0);
  header.writeUInt32LE(crc32(payload), 4);
  return Buffer.concat([header, payload]);
}

function eventsOf(payload: Buffer): StoredEvent[] {
  const decode = (text: string) => Buffer.from(text, 'base64');
  return JSON.parse(payload.toString()).map((event: { data: string; metadata: string }) => ({
    ...event,
    data: decode(event.data),
    metadata: decode(event.metadata),
  }));
}
