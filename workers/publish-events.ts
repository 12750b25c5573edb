import type { Catalogue } from '../domain/catalogue.ts';
import type { RecordedEvent } from '../domain/event.ts';
import type { Checkpoints } from '../infra/checkpoints/port.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import {
  type EventPublisher,
  type LastPublished,
  type OutgoingEvent,
  StreamUnfit,
} from '../infra/event-publisher/port.ts';
import { type FollowPorts, keepFollowing } from './follow-log.ts';
import { keepCheckpoint } from './keep-checkpoint.ts';

/** On their way at once. Their bytes are those of a batch of the log at most. */
const eventsAtOnce = 256;

export interface PublishingPorts {
  readonly log: Pick<EventLog, 'subscribe' | 'head'>;
  readonly catalogue: Catalogue;
  alone: FollowPorts['alone'];
  readonly checkpoints: Pick<Checkpoints, 'read' | 'write'>;
  readonly publisher: EventPublisher;
  /** Tells the progress of this stream from that of others. */
  readonly stream: string;
  /** Where a stream begins of which nothing is known. */
  readonly from: 'now' | 'beginning';
  /** Ahead of the first event, the next after the position, that `outgoing` is asked of, and again after each failure. */
  begin?(position: bigint): Promise<void>;
  /** Asked of every event, in order; undefined for one that stays inside. */
  outgoing(event: RecordedEvent): OutgoingEvent | undefined;
  /** Whether the log holds this event at this position; false also for a position that it has not come to. */
  isOfLog(last: LastPublished): Promise<boolean>;
  onPublished(count: number): void;
  /** The publication goes on by itself, after a pause. */
  onFailure(error: unknown): void;
  /** Of something that an operator should know of, and that goes on. */
  warn(message: string): void;
}

export interface Publishing {
  /** Up to where all is published, as far as this process knows; undefined where it has never found out. */
  position(): Promise<bigint | undefined>;
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>;
}

/**
 * Publishes what happens, in one process of all that would, until it is stopped. Where to go on is what the stream itself
 * says: the marks save reading, and serve where the end of the stream is gone.
 */
export function keepPublishing(ports: PublishingPorts): Publishing {
  const { log, checkpoints, publisher, onFailure } = ports;
  const names = {
    /** Where the first publication began. */
    start: `events/${ports.stream}/start`,
    /** The last event that is in the stream. */
    published: `events/${ports.stream}/published`,
    /** The last event that was looked at, which may not be a public one. */
    taken: `events/${ports.stream}/taken`,
  };
  let published = 0n;
  let taken: bigint | undefined;
  /** Where this process is, also while the stream cannot be reached. */
  let position: bigint | undefined;

  const marks = keepCheckpoint(async (position) => {
    // First what is published: what is taken must never seem to be more than the stream has lost.
    await checkpoints.write(names.published, published);
    await checkpoints.write(names.taken, position);
  }, onFailure);

  async function begin(): Promise<bigint> {
    const after = await beginning();
    await ports.begin?.(after);
    return after;
  }

  async function beginning(): Promise<bigint> {
    await marks.flush();
    published = latest(published, await checkpoints.read(names.published)) ?? 0n;
    taken = latest(taken, await checkpoints.read(names.taken));
    const begun = await start();
    position = taken ?? begun;
    const last = await publisher.end();
    if (last === undefined) {
      if (position > (await log.head())) throw foreign(`events up to position ${position}`);
      return position;
    }
    if (!(await ports.isOfLog(last))) throw foreign(`the event ${last.id}`);
    if (last.position < published)
      ports.warn(
        `the stream of events has lost what is behind position ${last.position}; it is published once more`,
      );
    // Where the publication began is no matter any more: what is in the stream tells more than a mark that may be new.
    position = last.position < published ? last.position : (latest(last.position, taken) ?? 0n);
    return position;
  }

  /** It is settled before the stream is reached for the first time, so that "now" is not when that succeeds. */
  async function start(): Promise<bigint> {
    const marked = await checkpoints.read(names.start);
    if (marked !== undefined) return marked;
    const begun = ports.from === 'now' ? await log.head() : 0n;
    await checkpoints.write(names.start, begun);
    return begun;
  }

  async function take(events: readonly RecordedEvent[], over: AbortSignal): Promise<void> {
    const outgoing = events.flatMap((event) => ports.outgoing(event) ?? []);
    for (let from = 0; from < outgoing.length; from += eventsAtOnce) {
      over.throwIfAborted();
      const some = outgoing.slice(from, from + eventsAtOnce);
      await publisher.publish(some);
      published = latest(published, some.at(-1)?.position) ?? 0n;
      ports.onPublished(some.length);
    }
    position = events.at(-1)?.position ?? position;
    taken = latest(taken, position);
    if (taken !== undefined) marks.note(taken);
  }

  const following = keepFollowing({ ...ports, begin, take });
  return {
    // Another process may have gone on since.
    position: async () => latest(position, await checkpoints.read(names.taken)),
    async stop() {
      await following.stop();
      await marks.flush();
      await publisher.close();
    },
  };
}

const foreign = (what: string): StreamUnfit =>
  new StreamUnfit(
    `the stream of events knows ${what}, which the log does not hold, as if the log had been restored; give the stream another name`,
  );

const latest = (...positions: readonly (bigint | undefined)[]): bigint | undefined =>
  positions.reduce((last, other) =>
    last === undefined || (other !== undefined && other > last) ? other : last,
  );
