import { join } from 'node:path';
import type { Metadata } from '../../domain/event.ts';
import { runningPostgres } from '../../infra/database/embedded-postgres.ts';
import type { EventLog } from '../../infra/event-log/port.ts';
import { openNamelessLog } from '../nameless-log.ts';
import type { Scope, TestServer } from '../server.ts';

/** The event log of a running server, as a second process opens it. */
export async function openLogOf(t: Scope, server: TestServer): Promise<EventLog> {
  const connection = await runningPostgres(join(server.dataDirectory, 'postgres'));
  return openNamelessLog(t, connection('shiplog_log'), await server.secretKey());
}

export interface PlainEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly metadata: Metadata;
}

export const eventsOf = async (log: EventLog, stream: string): Promise<readonly PlainEvent[]> =>
  (await log.readStream(stream)).events as readonly PlainEvent[];

/** Facts that are recorded a moment after what they tell of, and that nothing is decided on. */
const inTheBackground = /^(pulls|logins|credential-uses|refused-changes|quota-refusals)\//;

/** The types of the events behind `head` that somebody's request has decided on. */
export async function decidedSince(log: EventLog, head: bigint): Promise<readonly string[]> {
  const types: string[] = [];
  if ((await log.head()) === head) return types;
  for await (const events of log.readAll(head))
    types.push(...events.filter(({ stream }) => !inTheBackground.test(stream)).map(({ type }) => type));
  return types;
}
