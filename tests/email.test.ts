import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { reserveEmail } from '../commands/email.ts';
import { decision, recorder } from '../commands/record.ts';
import { catalogue } from '../domain/catalogue.ts';
import { Refusal } from '../domain/refusal.ts';
import { userDecider } from '../domain/user/decider.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { openLog } from './contracts/event-log-postgres-client.ts';
import { startPostgres } from './postgres.ts';

const metadata = { actor: 'system' };
const jane = { emailKey: 'key', userId: 3, username: 'jane' };
const john = { emailKey: 'key', userId: 4, username: 'john' };

async function start(t: TestContext) {
  const { connection } = await startPostgres(t);
  const log = await openLog(JSON.stringify(connection()));
  t.after(() => log.close());
  return { log, record: recorder({ log, catalogue, newEventId }) };
}

/** The log as it will be read in two minutes. */
const later = (log: EventLog): EventLog => ({
  ...log,
  async readStream(stream, from) {
    const { events, revision } = await log.readStream(stream, from);
    const past = (at: Date) => new Date(at.getTime() - 120_000);
    return { events: events.map((event) => ({ ...event, recordedAt: past(event.recordedAt) })), revision };
  },
});

const isTaken = (error: unknown): boolean => error instanceof Refusal && error.reason.kind === 'email-taken';

test('an address that a crash left without its user is free after a minute, and not before', async (t) => {
  const { log, record } = await start(t);
  await record(metadata, await reserveEmail(log, jane));
  await assert.rejects(async () => record(metadata, await reserveEmail(log, john)), isTaken);
  await record(metadata, await reserveEmail(later(log), john));
  await assert.rejects(async () => record(metadata, await reserveEmail(log, jane)), isTaken);
});

test('an address stays with its user, however long that is', async (t) => {
  const { log, record } = await start(t);
  const user = { ...jane, administrator: false, passwordHash: 'x', profile: null };
  await record(
    metadata,
    await reserveEmail(log, jane),
    decision('user/jane', userDecider, { do: 'create', ...user }),
  );
  await assert.rejects(async () => record(metadata, await reserveEmail(later(log), john)), isTaken);
});
