import { openEventStoreLog } from '../../infra/event-log/eventstoredb.ts';
import type { EventLog } from '../../infra/event-log/port.ts';

/** Opens a log in the suite's child processes; `argument` are the options as JSON. */
export const openLog = (argument: string): Promise<EventLog> => openEventStoreLog(JSON.parse(argument));
