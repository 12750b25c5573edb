import type { ClientConfig } from 'pg';
import { connectDatabase } from '../infra/database/connect.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { openPostgresLog } from '../infra/event-log/postgres.ts';
import { secretBox } from '../infra/secrets/aes-gcm.ts';
import { namelessLog } from '../infra/user-names/nameless-log.ts';
import { openUserNames } from '../infra/user-names/postgres.ts';
import type { Scope } from './server.ts';

/** The event log in a PostgreSQL database, as a server opens it. */
export async function openNamelessLog(
  t: Scope,
  connection: ClientConfig & { readonly database: string },
  secretKey: string,
): Promise<EventLog> {
  const database = await connectDatabase({ connection, poolSize: 4, waitMs: 30_000 });
  const log = await openPostgresLog(database);
  t.after(async () => {
    await log.close();
    await database.close();
  });
  return namelessLog(log, await openUserNames(database, secretBox(secretKey)));
}
