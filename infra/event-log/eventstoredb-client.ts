import { EventStoreDBClient } from '@eventstore/db-client';

/** What the client keeps to itself and this file has to reach. */
interface Internals {
  supports(): Promise<boolean>;
  handleError(connection: unknown, error: Error): Promise<void>;
  getChannel(): Promise<{ close(): void }>;
}

export interface Connection {
  readonly client: EventStoreDBClient;
  /** Cancels what is under way and closes the channel. */
  close(): Promise<void>;
}

/**
 * A client of `@eventstore/db-client` 6 that cannot end the process or wait for ever: two faults of that release are
 * worked around here, and both would show themselves when the server goes away under load.
 * @throws when `connectionString` is malformed.
 */
export function connect(connectionString: string): Connection {
  const client = EventStoreDBClient.connectionString(connectionString);
  const internals = client as unknown as Internals;

  // BatchAppend keeps the appends of all clients of the process in one table, which any broken connection empties:
  // the answers that arrive afterwards throw outside of any promise, and an append that the server does not answer
  // never ends. Where it is not supported the client makes one call an append, with a deadline.
  internals.supports = async () => false;

  // The client gives up its channel some microtasks after a call failed, and does not wait for the outcome. An
  // append that has picked the channel up in between throws where nobody catches it, and so does a discovery that
  // fails. In a turn of its own, no append is between picking and calling.
  const giveUpChannel = internals.handleError;
  internals.handleError = async (connection, error) => {
    setImmediate(() => {
      // Whoever calls next opens another channel, and learns then what is wrong.
      giveUpChannel(connection, error).catch(() => undefined);
    });
  };

  return {
    client,
    async close() {
      await client.dispose();
      await internals.getChannel().then(
        (channel) => channel.close(),
        // A cluster that cannot be found has no channel to close.
        () => undefined,
      );
    },
  };
}
