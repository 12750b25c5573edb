import { connectDatabase } from '../../infra/database/connect.ts';
import type { EventLog } from '../../infra/event-log/port.ts';
import { openPostgresLog } from '../../infra/event-log/postgres.ts';

/** @param argument a connection of node-postgres, as JSON. Closing the log closes its connections. */
export async function openLog(argument: string): Promise<EventLog> {
  const database = await connectDatabase({
    connection: JSON.parse(argument),
    poolSize: 4,
    waitMs: 30_000,
  });
  const log = await openPostgresLog(database);
  const close = async (): Promise<void> => {
    await log.close();
    await database.close();
  };
  return { ...log, close };
}
