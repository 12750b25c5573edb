import { AckPolicy, connect, type NatsConnection, NatsError } from 'nats';

/** A message as a consumer gets it. */
export interface StoredMessage {
  readonly subject: string;
  readonly sequence: number;
  readonly id: string;
  readonly position: bigint;
  readonly contentType: string;
  readonly event: Readonly<Record<string, unknown>>;
}

/** All that a stream holds, in its order; tried for a while, since a request is lost that meets a server's restart. */
export async function readStream(nats: NatsConnection, stream: string): Promise<StoredMessage[]> {
  const until = performance.now() + 30_000;
  for (;;) {
    try {
      return await readOnce(nats, stream);
    } catch (error) {
      const isAway = error instanceof NatsError && ['TIMEOUT', '503'].includes(error.code);
      if (!isAway || performance.now() > until) throw error;
    }
  }
}

async function readOnce(nats: NatsConnection, stream: string): Promise<StoredMessage[]> {
  const manager = await nats.jetstreamManager();
  const { messages } = (await manager.streams.info(stream)).state;
  if (messages === 0) return [];
  const { name } = await manager.consumers.add(stream, { ack_policy: AckPolicy.None, mem_storage: true });
  const consumer = await nats.jetstream().consumers.get(stream, name);
  const found: StoredMessage[] = [];
  while (found.length < messages) {
    for await (const message of await consumer.fetch({ max_messages: 1000, expires: 5_000 })) {
      found.push(messageOf(message));
      if (found.length >= messages) break;
    }
  }
  await manager.consumers.delete(stream, name);
  return found;
}

export const messageOf = ({
  subject,
  seq,
  headers,
  data,
}: {
  readonly subject: string;
  readonly seq: number;
  readonly headers?: { get(name: string): string } | undefined;
  readonly data: Uint8Array;
}): StoredMessage => ({
  subject,
  sequence: seq,
  id: headers?.get('Nats-Msg-Id') ?? '',
  position: BigInt(headers?.get('Shiplog-Position') || 0),
  contentType: headers?.get('content-type') ?? '',
  event: JSON.parse(Buffer.from(data).toString()),
});

/** A client of a server of `startNatsServer`, which outlives its restarts. */
export const connectNats = (port: number): Promise<NatsConnection> =>
  connect({ servers: `127.0.0.1:${port}`, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
