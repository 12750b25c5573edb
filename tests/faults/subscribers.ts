import { setTimeout as pause } from 'node:timers/promises';
import { AckPolicy, type Consumer, DeliverPolicy, type NatsConnection, nanos } from 'nats';
import { publishedTypes } from '../../domain/public-event/public-event.ts';
import { messageOf } from '../nats-stream.ts';
import type { TestServer } from '../server.ts';

export interface Subscriber {
  readonly name: string;
  /** Whether it is to be told of events of a type of the log. */
  expects(type: string): boolean;
  /** The ids of events of repositories, as they came. */
  readonly received: readonly string[];
  stop(): Promise<void>;
}

const types: readonly string[] = publishedTypes;
const isPublished = (type: string): boolean => types.includes(type);

/** Follows `GET /api/v2.0/events` by server-sent events, on one server after the other, each time after what it has. */
export function subscribeToEvents(servers: readonly TestServer[]): Subscriber {
  const received: string[] = [];
  const stopping = new AbortController();
  let last = '0';

  async function followOnce(server: TestServer): Promise<void> {
    const headers = { accept: 'text/event-stream', 'last-event-id': last };
    const answer = await server.fetch('/api/v2.0/events', { headers, signal: stopping.signal });
    if (answer.status !== 200 || answer.body === null) throw new Error(`${answer.status}`);
    let text = '';
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) take(block);
    }
  }

  function take(block: string): void {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
    last = field('id') ?? last;
    const data = field('data');
    if (field('event') === 'checkpoint' || data === undefined) return;
    const { id, repository } = JSON.parse(data) as { id: string; repository?: string };
    if (repository !== undefined) received.push(id);
  }

  async function follow(): Promise<void> {
    for (let turn = 0; !stopping.signal.aborted; turn++) {
      const server = servers[turn % servers.length] as TestServer;
      // Who is killed breaks the stream, and is gone for a while.
      await followOnce(server).catch(() => undefined);
      await pause(100, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }
  const following = follow();
  return {
    ...{ name: 'SSE', expects: isPublished, received },
    async stop() {
      stopping.abort();
      await following;
    },
  };
}

/** A durable consumer that acknowledges one message after the other. */
export async function consume(nats: NatsConnection, stream: string): Promise<Subscriber> {
  const received: string[] = [];
  /** A message that comes again is one of the consumer's affairs; an event that is stored twice is not. */
  const taken = new Set<number>();
  let isStopped = false;
  const durable = 'everything';

  async function open(): Promise<Consumer> {
    const manager = await nats.jetstreamManager();
    await manager.consumers.add(stream, {
      durable_name: durable,
      filter_subject: 'shiplog.events.library.>',
      deliver_policy: DeliverPolicy.All,
      ack_policy: AckPolicy.Explicit,
      max_ack_pending: 1,
      ack_wait: nanos(5_000),
    });
    return nats.jetstream().consumers.get(stream, durable);
  }

  async function follow(): Promise<void> {
    while (!isStopped) {
      try {
        const consumer = await open();
        while (!isStopped) {
          const message = await consumer.next({ expires: 1_000 });
          if (message === null) continue;
          const { id, sequence, event } = messageOf(message);
          if (event.repository !== undefined && !taken.has(sequence)) received.push(id);
          taken.add(sequence);
          await message.ackAck();
        }
      } catch {
        // NATS is away, or the stream is not there yet.
        await pause(100);
      }
    }
  }
  const following = follow();
  return {
    ...{ name: 'NATS', expects: isPublished, received },
    async stop() {
      isStopped = true;
      await following;
    },
  };
}
