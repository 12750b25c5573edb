import {
  type ConnectionOptions,
  connect,
  Events,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type Subscription,
} from 'nats';
import { type AppendMessage, decodeMessage } from './jetstream-message.ts';
import { LogUnavailable } from './port.ts';

/** JetStream answered with an error; the codes are those of its `errors.json`. */
export class JetStreamRefusal extends LogUnavailable {
  readonly errorCode: number;
  constructor(errorCode: number, message: string) {
    super(`JetStream refused: ${message}`);
    this.errorCode = errorCode;
  }
}

export const noMessageFound = 10037;

/** A cluster that elects a leader answers nothing for some seconds. */
const requestTimeoutMs = 5_000;

interface StoredMessage {
  readonly seq: number;
  readonly time: string;
  /** Base64. */
  readonly data: string;
}

/**
 * A connection that says at once when it is broken. The client would keep requests until their timeout, and send them
 * when it is connected again; what it sends then is a repeat that the log recognises.
 */
export class JetStreamConnection {
  readonly #client: NatsConnection;
  readonly #streamName: string;
  readonly #onBreak = new Set<(error: LogUnavailable) => void>();
  #connected = true;

  private constructor(client: NatsConnection, streamName: string) {
    this.#client = client;
    this.#streamName = streamName;
    this.#watch();
  }

  static async open(options: ConnectionOptions, streamName: string): Promise<JetStreamConnection> {
    try {
      const client = await connect({
        pingInterval: 10_000,
        reconnectTimeWait: 250,
        ...options,
        // A server that restarts, also one that refuses for a while, is no reason to give up.
        maxReconnectAttempts: -1,
        ignoreAuthErrorAbort: true,
        noAsyncTraces: true,
      });
      return new JetStreamConnection(client, streamName);
    } catch (cause) {
      throw new LogUnavailable('NATS cannot be reached', { cause });
    }
  }

  get client(): NatsConnection {
    return this.#client;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Bytes that a message may have, headers included, by the configuration of the server. */
  get maxPayload(): number {
    return this.#client.info?.max_payload ?? 0;
  }

  /** Asks and parses the answer. @throws JetStreamRefusal @throws LogUnavailable */
  async ask<Answer>(subject: string, payload: Uint8Array | object, headers?: MsgHdrs): Promise<Answer> {
    const { promise: broken, reject } = Promise.withResolvers<never>();
    const body = payload instanceof Uint8Array ? payload : Buffer.from(JSON.stringify(payload));
    const answer: { error?: { err_code: number; description: string } } = await this.untilBreak(reject, () =>
      Promise.race([
        broken,
        this.#client
          .request(subject, body, { timeout: requestTimeoutMs, ...(headers && { headers }) })
          .then((message) => JSON.parse(message.string())),
      ]),
    );
    if (answer.error) throw new JetStreamRefusal(answer.error.err_code, answer.error.description);
    return answer as Answer;
  }

  /** Runs `work`; `onBreak` is called when the connection breaks meanwhile. Errors become `LogUnavailable`. */
  async untilBreak<Result>(
    onBreak: (error: LogUnavailable) => void,
    work: () => Promise<Result>,
  ): Promise<Result> {
    if (!this.#connected) throw new LogUnavailable('the connection to NATS is broken');
    this.#onBreak.add(onBreak);
    try {
      return await work();
    } catch (error) {
      if (error instanceof LogUnavailable) throw error;
      throw new LogUnavailable('NATS did not answer', { cause: error });
    } finally {
      this.#onBreak.delete(onBreak);
    }
  }

  /** The function returned ends the notification. */
  notifyOfBreak(onBreak: (error: LogUnavailable) => void): () => void {
    this.#onBreak.add(onBreak);
    return () => this.#onBreak.delete(onBreak);
  }

  subscribe(subject: string, callback: (message: Msg) => void): Subscription {
    return this.#client.subscribe(subject, { callback: (_, message) => callback(message) });
  }

  publish(subject: string, payload: object, reply: string): void {
    this.#client.publish(subject, JSON.stringify(payload), { reply });
  }

  /**
   * The message at a sequence, the last one of a subject, or (for `>`) the last of all. Asked of the stream's leader
   * rather than of any replica (direct get), which may lag behind what was acknowledged.
   */
  async message(which: { seq: number } | { last_by_subj: string }): Promise<AppendMessage | undefined> {
    try {
      const { message } = await this.ask<{ message: StoredMessage }>(
        `$JS.API.STREAM.MSG.GET.${this.#streamName}`,
        which,
      );
      return decodeMessage(message.seq, Date.parse(message.time), Buffer.from(message.data, 'base64'));
    } catch (error) {
      if (error instanceof JetStreamRefusal && error.errorCode === noMessageFound) return undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#client.close();
    this.#break('the log is closed');
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#client.status()) {
      if (type === Events.Disconnect) this.#break('the connection to NATS broke');
      if (type === Events.Reconnect) this.#connected = true;
    }
  }

  #break(reason: string): void {
    this.#connected = false;
    const error = new LogUnavailable(reason);
    for (const onBreak of this.#onBreak) onBreak(error);
    this.#onBreak.clear();
  }
}
