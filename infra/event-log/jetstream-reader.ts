import { setTimeout as delay } from 'node:timers/promises';
import { createInbox, type Msg, nanos } from 'nats';
import type { JetStreamConnection } from './jetstream-connection.ts';
import { type AppendMessage, decodeMessage } from './jetstream-message.ts';
import { LogUnavailable } from './port.ts';

const messagesPerPull = 1000;
/** On top of the largest message, for its subject and the reply subject, which JetStream counts too. */
const pullBytesToSpare = 64 * 1024;
const pullExpiresMs = 30_000;
const heartbeatMs = 2_000;
/** A read of what exists gives up when nothing arrives for so long. */
const stalledAfterMs = 30_000;
/** A reader that is slower than this between two pulls gets a new consumer, which costs one more request. */
const consumerInactiveMs = 60_000;

export interface ReadRange {
  /** The sequence to start at. */
  readonly from: number;
  /** Only the messages of this subject; `from` is 1 then. */
  readonly subject?: string;
  /** Ends the read without an error. */
  readonly signal: AbortSignal;
}

/** The consumer is gone or misses a message, and a new one goes on. */
class ConsumerLost extends Error {}

/**
 * All messages from a sequence on, without end, in slices of what has arrived. At most one pull of bounded count and
 * bytes is read ahead. A consumer lives in the server's memory and dies with it, so each is made anew where the last
 * one stopped, and nothing is believed of it but what the sequences prove.
 * @throws LogUnavailable when the connection breaks.
 */
export async function* readMessages(
  connection: JetStreamConnection,
  streamName: string,
  { from, subject, signal }: ReadRange,
): AsyncGenerator<readonly AppendMessage[]> {
  // Sequences start at 1, and the position 0 before the first event has the sequence 0.
  let next = Math.max(from, 1);
  let last = 0;
  /** Where a message was missing; a new consumer is asked for it once more before it counts as a gap. */
  let missing: number | undefined;
  while (!signal.aborted) {
    const consumer = await createConsumer(connection, streamName, next, subject);
    const start = next;
    try {
      for await (const arrived of pullMessages(connection, streamName, consumer, signal)) {
        const messages: AppendMessage[] = [];
        let lost = false;
        for (const message of arrived) {
          const { sequence } = message;
          if (sequence < next) continue;
          const follows = subject === undefined ? sequence === next : message.previous === last;
          lost = !follows && missing !== next;
          if (lost) break;
          messages.push(message);
          last = sequence;
          next = sequence + 1;
        }
        if (messages.length > 0) yield messages;
        if (lost) {
          missing = next;
          throw new ConsumerLost();
        }
      }
    } catch (error) {
      if (!(error instanceof ConsumerLost)) throw error;
      // A consumer that dies before it delivered anything is likely to do so again.
      if (next === start) await delay(100);
    } finally {
      deleteConsumer(connection, streamName, consumer);
    }
  }
}

/**
 * The messages from one sequence to another, which exists.
 * @throws LogUnavailable when it is not read to its end, also when `signal` is the reason.
 */
export async function* readMessagesUpTo(
  connection: JetStreamConnection,
  streamName: string,
  { last, signal, ...range }: ReadRange & { readonly last: number },
): AsyncGenerator<readonly AppendMessage[]> {
  const stall = new AbortController();
  const ending = AbortSignal.any([signal, stall.signal]);
  let timer = setTimeout(() => stall.abort(), stalledAfterMs);
  try {
    for await (const messages of readMessages(connection, streamName, { ...range, signal: ending })) {
      clearTimeout(timer);
      yield messages.filter(({ sequence }) => sequence <= last);
      if ((messages.at(-1)?.sequence ?? 0) >= last) return;
      timer = setTimeout(() => stall.abort(), stalledAfterMs);
    }
  } finally {
    clearTimeout(timer);
  }
  const reason = signal.aborted ? 'the log was closed' : 'JetStream delivered nothing for a while';
  throw new LogUnavailable(`${reason} before the end of a read`);
}

async function createConsumer(
  connection: JetStreamConnection,
  streamName: string,
  from: number,
  subject: string | undefined,
): Promise<string> {
  const { name } = await connection.ask<{ name: string }>(`$JS.API.CONSUMER.CREATE.${streamName}`, {
    stream_name: streamName,
    config: {
      deliver_policy: 'by_start_sequence',
      opt_start_seq: from,
      ack_policy: 'none',
      replay_policy: 'instant',
      inactive_threshold: nanos(consumerInactiveMs),
      mem_storage: true,
      num_replicas: 1,
      ...(subject !== undefined && { filter_subject: subject }),
    },
  });
  return name;
}

/** Not awaited: what is not deleted is forgotten by the server after `consumerInactiveMs`. */
function deleteConsumer(connection: JetStreamConnection, streamName: string, consumer: string): void {
  connection.ask(`$JS.API.CONSUMER.DELETE.${streamName}.${consumer}`, {}).catch(() => undefined);
}

/** The reply subject of a delivery tells where it lies (ADR-15 of NATS, both forms). */
function messageOf({ reply = '', data }: Msg): AppendMessage {
  const tokens = reply.split('.');
  // $JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer sequence>.<nanoseconds>.<pending>, and in the
  // longer form a domain and an account stand after $JS.ACK.
  const at = tokens.length > 9 ? 7 : 5;
  const nanoseconds = tokens[at + 2] ?? '';
  return decodeMessage(Number(tokens[at]), Number(nanoseconds.slice(0, -6)), data);
}

async function* pullMessages(
  connection: JetStreamConnection,
  streamName: string,
  consumer: string,
  signal: AbortSignal,
): AsyncGenerator<readonly AppendMessage[]> {
  let arrived: AppendMessage[] = [];
  let failure: Error | undefined;
  let remaining = 0;
  let receivedInPull = 0;
  let heardAt = Date.now();
  /** A message that is larger than a pull may be comes alone, in a pull without a limit in bytes. */
  let single = false;
  let wake: () => void = () => undefined;

  const fail = (error: Error) => {
    failure ??= error;
    wake();
  };
  const onStatus = ({ headers }: Msg) => {
    const code = headers?.code ?? 0;
    if (code === 100) return;
    const description = headers?.description ?? '';
    if (code === 409 && /exceeds maxbytes/i.test(description)) single = receivedInPull === 0;
    else if (code !== 408 && code !== 404) return fail(new ConsumerLost(`${code} ${description}`));
    remaining = 0;
    wake();
  };
  const inbox = createInbox();
  const subscription = connection.subscribe(inbox, (message) => {
    heardAt = Date.now();
    if (message.subject === inbox) return onStatus(message);
    // Decoded at once, because its bytes are a part of a larger buffer that would be held as well.
    try {
      arrived.push(messageOf(message));
    } catch (cause) {
      return fail(new Error(`a message of ${streamName} is not an append of Shiplog`, { cause }));
    }
    remaining--;
    receivedInPull++;
    wake();
  });
  const pull = () => {
    remaining = single ? 1 : messagesPerPull;
    receivedInPull = 0;
    heardAt = Date.now();
    const limits = single ? {} : { max_bytes: connection.maxPayload + pullBytesToSpare };
    single = false;
    connection.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${streamName}.${consumer}`,
      {
        batch: remaining,
        ...limits,
        expires: nanos(pullExpiresMs),
        idle_heartbeat: nanos(heartbeatMs),
      },
      inbox,
    );
  };
  const forgetBreak = connection.notifyOfBreak(fail);
  const silence = setInterval(() => {
    if (remaining > 0 && Date.now() - heardAt > 3 * heartbeatMs) fail(new ConsumerLost('it is silent'));
  }, heartbeatMs);
  const onAbort = () => wake();
  signal.addEventListener('abort', onAbort);
  try {
    if (!connection.connected) throw new LogUnavailable('the connection to NATS is broken');
    pull();
    while (!signal.aborted) {
      if (arrived.length === 0) {
        if (failure !== undefined) throw failure;
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (remaining === 0) resolve();
        });
      }
      const slice = arrived;
      arrived = [];
      // Asked for before the slice is handed out, so that the server works while the reader does.
      if (remaining === 0 && failure === undefined) pull();
      if (slice.length > 0 && !signal.aborted) yield slice;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    clearInterval(silence);
    forgetBreak();
    subscription.unsubscribe();
  }
}
