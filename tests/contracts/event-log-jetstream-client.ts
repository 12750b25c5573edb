import { openJetStreamLog } from '../../infra/event-log/jetstream.ts';
import type { EventLog } from '../../infra/event-log/port.ts';

/** `argument`: the options of the log as JSON. */
export const openLog = (argument: string): Promise<EventLog> => openJetStreamLog(JSON.parse(argument));
