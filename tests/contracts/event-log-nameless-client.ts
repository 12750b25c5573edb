import type { ClientConfig } from 'pg';
import { connectDatabase } from '../../infra/database/connect.ts';
import type { EventLog } from '../../infra/event-log/port.ts';
import { secretBox } from '../../infra/secrets/aes-gcm.ts';
import { namelessLog } from '../../infra/user-names/nameless-log.ts';
import type { UserNames } from '../../infra/user-names/port.ts';
import { openUserNames } from '../../infra/user-names/postgres.ts';
import { openLog as openJetStream } from './event-log-jetstream-client.ts';
import { openLog as openPostgres } from './event-log-postgres-client.ts';

export const secrets = secretBox('a key that nobody guesses');

const engines = { postgres: openPostgres, jetstream: openJetStream };

export interface NamelessArgument {
  readonly engine: keyof typeof engines;
  /** Of the engine's own client. */
  readonly log: string;
  /** Of the database with the names, for node-postgres. */
  readonly names: ClientConfig & { readonly database: string };
}

/** A log without names, what is recorded in it, and the names. Closing the first closes all. */
export async function openNameless({ engine, log, names }: NamelessArgument): Promise<{
  readonly log: EventLog;
  readonly engine: EventLog;
  readonly names: UserNames;
}> {
  const database = await connectDatabase({ connection: names, poolSize: 4, waitMs: 30_000 });
  const userNames = await openUserNames(database, secrets);
  const inner = await engines[engine](log);
  const nameless = namelessLog(inner, userNames);
  const close = async (): Promise<void> => {
    await nameless.close();
    await database.close();
  };
  return { log: { ...nameless, close }, engine: inner, names: userNames };
}

/** @param argument a `NamelessArgument` as JSON */
export const openLog = async (argument: string): Promise<EventLog> =>
  (await openNameless(JSON.parse(argument))).log;
