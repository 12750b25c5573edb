import {
  type ConnectionOptions,
  connect,
  type JetStreamClient,
  type JetStreamManager,
  NatsError,
  type PubAck,
} from 'nats';
import { eventIn, headersOf, payloadOf, subjectOf } from './jetstream-message.ts';
import { isNotFound, prepareStream, type StreamSettings } from './jetstream-stream.ts';
import {
  type EventPublisher,
  type LastPublished,
  type OutgoingEvent,
  PublisherUnavailable,
  StreamUnfit,
} from './port.ts';

export interface JetStreamPublisherOptions extends StreamSettings {
  /** Servers, credentials and TLS, as the client takes them. */
  readonly connection: ConnectionOptions;
}

export interface PublisherReports {
  /** Something that an operator should know of, once for each. */
  warn(message: string): void;
}

/** A cluster that elects a leader answers nothing for some seconds. */
const timeoutMs = 5_000;
/** A server that syncs each message has a while to do with those that are on their way. */
const storeTimeoutMs = 30_000;
/** What the headers of a message have at most. */
const headerBytes = 512;
/** Messages that somebody else has put behind the last event, which are passed over. */
const messagesLookedBack = 100;

interface Open {
  readonly client: JetStreamClient;
  readonly maxBytes: number;
  /** The sequence of the stream's last message, if nobody else has published since. */
  last: number;
  close(): Promise<void>;
}

/**
 * Publishes to one JetStream stream (server 2.9 or later). Each message is stored only as the next one after that before
 * it (`Nats-Expected-Last-Sequence`): so many can be on their way at once, and whatever happens to one, none behind it is
 * stored. A second publisher comes to the same events, since it goes on from the last message of the stream.
 *
 * A connection that breaks is not mended but given up, with all that was on its way.
 */
export function jetStreamPublisher(
  options: JetStreamPublisherOptions,
  { warn }: PublisherReports,
): EventPublisher {
  const { streamName, subjectPrefix } = options;
  const warned = new Set<string>();
  let open: Open | undefined;

  async function end(): Promise<LastPublished | undefined> {
    await close();
    return orUnavailable(async () => {
      const connection = await connect({
        ...{ name: 'shiplog events', timeout: timeoutMs, pingInterval: 10_000, maxPingOut: 2 },
        ...options.connection,
        ...{ reconnect: false, noAsyncTraces: true },
      });
      try {
        const manager = await connection.jetstreamManager({ timeout: timeoutMs });
        const { info, differences } = await prepareStream(manager, options);
        for (const difference of differences) warnOnce(difference);
        const { max_msg_size } = info.config;
        const most = Math.min(
          connection.info?.max_payload ?? 0,
          max_msg_size > 0 ? max_msg_size : Number.POSITIVE_INFINITY,
        );
        const last = await lastEvent(manager, info.state.last_seq);
        open = {
          client: connection.jetstream({ timeout: timeoutMs }),
          maxBytes: most - headerBytes,
          last: info.state.last_seq,
          close: () => connection.close(),
        };
        return last;
      } catch (error) {
        await connection.close();
        throw error;
      }
    });
  }

  async function lastEvent(manager: JetStreamManager, end: number): Promise<LastPublished | undefined> {
    for (let seq = end; seq > 0; seq--) {
      if (end - seq >= messagesLookedBack)
        throw new StreamUnfit(
          `others publish to the JetStream stream ${streamName}, which is for Shiplog alone`,
        );
      try {
        const event = eventIn((await manager.streams.getMessage(streamName, { seq })).header);
        if (event !== undefined) return event;
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    }
    return undefined;
  }

  async function publish(events: readonly OutgoingEvent[]): Promise<void> {
    const through = open;
    if (through === undefined) throw new PublisherUnavailable('nothing is known of the end of the stream');
    try {
      let rest = events;
      while (rest.length > 0) rest = await publishOnce(through, rest);
    } catch (error) {
      // What is on its way may be stored yet.
      await close();
      throw error;
    }
  }

  /** All at once; resolves to what is to be sent once more. */
  async function publishOnce(
    through: Open,
    events: readonly OutgoingEvent[],
  ): Promise<readonly OutgoingEvent[]> {
    const before = through.last;
    const answers = await Promise.allSettled(
      events.map((event, index) => send(through, event, before + index)),
    );
    let done = 0;
    for (const [index, answer] of answers.entries()) {
      if (answer.status === 'rejected') {
        // Behind a message that was passed over all others have expected another end.
        if (done > through.last - before) break;
        throw unavailable(answer.reason);
      }
      const { duplicate, seq } = answer.value;
      // Of a message that was stored before, and purged since: the server still knows its id.
      if (duplicate && seq <= before) done++;
      else if (!duplicate && seq === before + index + 1 && done === index) {
        through.last = seq;
        done++;
      } else throw new PublisherUnavailable(`somebody else publishes to the JetStream stream ${streamName}`);
    }
    return events.slice(done);
  }

  const send = ({ client, maxBytes }: Open, event: OutgoingEvent, expected: number): Promise<PubAck> =>
    client.publish(subjectOf(subjectPrefix, event), payloadOf(event, maxBytes), {
      headers: headersOf(event, { streamName, expected }),
      timeout: storeTimeoutMs,
    });

  async function close(): Promise<void> {
    const closing = open;
    open = undefined;
    await closing?.close();
  }

  function warnOnce(message: string): void {
    if (!warned.has(message)) warn(message);
    warned.add(message);
  }

  return { end, publish, close };
}

/** The product's own errors, and what may hold credentials, become these. */
async function orUnavailable<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StreamUnfit) throw error;
    throw unavailable(error);
  }
}

function unavailable(cause: unknown): PublisherUnavailable {
  const said = cause instanceof NatsError ? (cause.api_error?.description ?? cause.message) : '';
  return new PublisherUnavailable(said === '' ? 'NATS does not answer' : `NATS answers: ${said}`, { cause });
}
