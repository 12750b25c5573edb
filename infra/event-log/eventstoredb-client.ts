import { EventStoreDBClient } from '@eventstore/db-client';

/** What the client keeps to itself and this file has to reach. */
interface Internals {
  supports(): Promise<boolean>;
  handleError(connection: unknown, error: Error): Promise<void>;
  getChannel(): Promise<{ close(): void }>;
}

export interface Connection {
  readonly client: EventStoreDBClient;
  /** Closes the channel; reads and subscriptions that were not left before may go on. */
  close(): Promise<void>;
}

/**
 * A client of `@eventstore/db-client` 6 that cannot end the process or wait for ever: two faults of that release are
 * worked around here, and both would show themselves when the server goes away under load.
 * @throws TypeError when `connectionString` is malformed.
 */
export function connect(connectionString: string): Connection {
  const client = clientOf(connectionString);
  const internals = client as unknown as Internals;

  // BatchAppend keeps the appends of all clients of the process in one table, which any broken connection empties:
  // the answers that arrive afterwards throw outside of any promise, and an append that the server does not answer
  // never ends. Where it is not supported the client makes one call an append, with a deadline.
  internals.supports = async () => false;

  // The client gives up its channel some microtasks after a call failed, and does not wait for the outcome. An
  // append that has picked the channel up in between never settles and its error is nobody's, and so is that of a
  // discovery that fails. In a turn of its own, no append is between picking and calling.
  const giveUpChannel = internals.handleError;
  internals.handleError = async (connection, error) => {
    setImmediate(() => {
      // Whoever calls next opens another channel, and learns then what is wrong.
      giveUpChannel(connection, error).catch(() => undefined);
    });
  };

  return {
    client,
    // Not `dispose`, which waits for ever for a stream that the server has ended and nobody has read to its end.
    close: () =>
      internals.getChannel().then(
        (channel) => channel.close(),
        // A cluster that cannot be found has no channel to close.
        () => undefined,
      ),
  };
}

function clientOf(connectionString: string): EventStoreDBClient {
  try {
    return EventStoreDBClient.connectionString(connectionString);
  } catch {
    // The client's own error quotes the string, and there may be a password in it.
    throw new TypeError(
      'the connection string of EventStoreDB is malformed, or a certificate of it is missing',
    );
  }
}

/** What a read and a subscription of the client have in common. */
export interface ClientStream<Entry> {
  read(): Entry | null;
  resume(): unknown;
  on(event: 'readable' | 'end', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeAllListeners(event: 'readable'): unknown;
}

/**
 * Leaves a stream to itself: cancels it, and lets it flow so that it comes to its end, without which the client would
 * hold it for ever. A listener for its errors has to stay, or a connection that breaks later ends the process.
 */
export function leave(stream: ClientStream<unknown>, cancel: () => Promise<void>): void {
  stream.removeAllListeners('readable');
  stream.resume();
  // It fails where the stream has never been opened.
  cancel().catch(() => undefined);
}
