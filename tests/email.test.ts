import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { changeProfile } from '../commands/change-profile.ts';
import { emailKeyOf, reserveEmail } from '../commands/email.ts';
import { decision, type Recorder, recorder } from '../commands/record.ts';
import { catalogue } from '../domain/catalogue.ts';
import { Refusal } from '../domain/refusal.ts';
import { userDecider } from '../domain/user/decider.ts';
import { connectDatabase } from '../infra/database/connect.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { openPersonalData } from '../infra/personal-data/postgres.ts';
import { secretBox } from '../infra/secrets/aes-gcm.ts';
import { openLog } from './contracts/event-log-postgres-client.ts';
import { startPostgres } from './postgres.ts';

const metadata = { actor: 'system' };
const secrets = secretBox('a secret key of the tests');
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

/** A user with the address `old@example.com`, and two processes that can change her profile. */
async function startWithUser(t: TestContext) {
  const { connection } = await startPostgres(t);
  const database = await connectDatabase({ connection: connection(), poolSize: 4, waitMs: 30_000 });
  t.after(() => database.close());
  const personalData = await openPersonalData(database, secrets);
  const openProcess = async () => {
    const log = await openLog(JSON.stringify(connection()));
    t.after(() => log.close());
    return log;
  };
  const emailKeyBefore = emailKeyOf(secrets, 'old@example.com');
  const changing = (log: EventLog) => {
    const change = changeProfile({
      log,
      record: recorder({ log, catalogue, newEventId }),
      personalData,
      secrets,
    });
    // As the view shows her to both at first.
    return (email: string, realname = '') =>
      change({ username: 'jane', userId: 3, emailKeyBefore, email, realname, comment: '' }, metadata);
  };
  const [log, other] = await Promise.all([openProcess(), openProcess()]);
  const record = recorder({ log, catalogue, newEventId });
  const user = { ...jane, emailKey: emailKeyBefore, administrator: false, passwordHash: 'x', profile: null };
  await record(
    metadata,
    await reserveEmail(log, user),
    decision('user/jane', userDecider, { do: 'create', ...user }),
  );
  return { log, other, record, changing };
}

/** Fails where somebody else can have the address that the user of the test has. */
async function requireHers(log: EventLog, record: Recorder): Promise<void> {
  const { events } = await log.readStream('user/jane');
  const { emailKey } = (events.at(-1)?.data ?? {}) as { emailKey: string };
  await assert.rejects(
    async () => record(metadata, await reserveEmail(later(log), { ...john, emailKey })),
    isTaken,
  );
}

test('a change of the name that was begun before the address went keeps the address from everybody else', async (t) => {
  const { log, record, changing } = await startWithUser(t);
  await changing(log)('new@example.com');
  await changing(log)('old@example.com', 'Jane');
  await requireHers(log, record);
});

test('an address that goes while it is found to be held is not held, and is reserved again', async (t) => {
  const { log, other, record, changing } = await startWithUser(t);
  const addressRead = Promise.withResolvers<void>();
  let change: Promise<unknown> | undefined;
  const raced: EventLog = {
    ...log,
    async readStream(stream, from) {
      if (stream.startsWith('email/')) {
        const slice = await log.readStream(stream, from);
        addressRead.resolve();
        return slice;
      }
      change ??= addressRead.promise.then(() => changing(other)('new@example.com'));
      await change;
      return log.readStream(stream, from);
    },
  };
  await changing(raced)('old@example.com', 'Jane');
  await requireHers(log, record);
});

test('an address whose holder comes for it after all is not taken over', async (t) => {
  const { log, record } = await start(t);
  await record(metadata, await reserveEmail(log, jane));
  const takeover = await reserveEmail(later(log), john);
  await record(metadata, await reserveEmail(log, jane));
  await assert.rejects(record(metadata, takeover), isTaken);
});
