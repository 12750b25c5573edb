import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { z } from 'zod';
import { decision, recorder, stateOf } from '../commands/record.ts';
import { type Catalogue, catalogue } from '../domain/catalogue.ts';
import type { Decider } from '../domain/decider.ts';
import { digestFrom } from '../domain/digest.ts';
import { projectDecider } from '../domain/project/decider.ts';
import { Refusal } from '../domain/refusal.ts';
import { assigning } from '../domain/tag/decider.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import { type EventLog, LogUnavailable, RevisionConflict } from '../infra/event-log/port.ts';
import { openLog } from './contracts/event-log-postgres-client.ts';
import { startPostgres } from './postgres.ts';

const metadata = { actor: 'user:admin', requestId: 'request-1' };
const digestOf = (number: number) => digestFrom('sha256', number.toString(16).padStart(64, '0'));

const moveTo = (number: number, tag = '1.0') =>
  decision(`tag/library/hello:${tag}`, assigning, {
    repository: 'library/hello',
    tag,
    digest: digestOf(number),
    isImmutable: false,
  });
const cveAllowlist = { cveIds: [], expiresAt: null };
const library = { projectId: 1, public: true, metadata: {}, cveAllowlist };
const createProject = (name: string) =>
  decision(`project/${name}`, projectDecider, {
    do: 'create',
    name,
    projectId: 1,
    public: true,
    owner: 'admin',
    storageLimit: null,
  });

const recorderOf = (log: EventLog) => recorder({ log, catalogue, newEventId });

/** A log of its own, and further connections to it, as other processes have them. */
async function start(t: TestContext) {
  const { connection } = await startPostgres(t);
  const connect = async () => {
    const log = await openLog(JSON.stringify(connection()));
    t.after(() => log.close());
    return log;
  };
  return { log: await connect(), connect };
}

/** The log, with `work` done before each append, and the number of the appends. */
function interrupted(log: EventLog, work: (attempt: number, streams: readonly string[]) => Promise<unknown>) {
  let attempts = 0;
  const appendMany: EventLog['appendMany'] = async (appends) => {
    attempts += 1;
    await work(
      attempts,
      appends.map(({ stream }) => stream),
    );
    return log.appendMany(appends);
  };
  return { log: { ...log, appendMany }, attempts: () => attempts };
}

const historyOf = async (log: EventLog, stream = 'tag/library/hello:1.0') =>
  (await log.readStream(stream)).events.map(({ type, data }) => ({ type, ...data }));

test('what is decided is appended in the current version, with its metadata', async (t) => {
  const { log } = await start(t);
  const { position, states } = await recorderOf(log)(metadata, moveTo(1));

  const { events } = await log.readStream('tag/library/hello:1.0');
  const [{ id, recordedAt, ...event } = assert.fail('nothing was appended')] = events;
  assert.deepEqual(event, {
    position,
    stream: 'tag/library/hello:1.0',
    revision: 0n,
    type: 'TagAssigned',
    version: 1,
    data: { repository: 'library/hello', tag: '1.0', digest: digestOf(1) },
    metadata,
  });
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  assert.ok(recordedAt instanceof Date);
  assert.deepEqual(states, [digestOf(1)]);
});

test('several decisions are appended together, and each tells what it did and the state that it leaves behind', async (t) => {
  const { log } = await start(t);
  const record = recorderOf(log);
  const { position, states, events } = await record(
    metadata,
    createProject('library'),
    moveTo(2),
    moveTo(3, 'b'),
  );

  assert.deepEqual(states, [library, digestOf(2), digestOf(3)]);
  assert.deepEqual(
    events.map((each) => each.map(({ type }) => type)),
    [['ProjectCreated'], ['TagAssigned'], ['TagAssigned']],
  );
  assert.equal(position, await log.head());
  assert.equal((await historyOf(log)).length, 1);
  assert.equal((await historyOf(log, 'project/library')).length, 1);
});

test('a decision without an event has the position of the last event of its stream', async (t) => {
  const { log } = await start(t);
  const record = recorderOf(log);
  const first = await record(metadata, moveTo(1));
  const other = await record(metadata, moveTo(1, 'other'));

  assert.deepEqual(await record(metadata, moveTo(1)), { ...first, events: [[]] });
  const both = await record(metadata, moveTo(1, 'other'), moveTo(1));
  assert.deepEqual(both, {
    position: other.position,
    states: [digestOf(1), digestOf(1)],
    events: [[], []],
  });
  assert.equal(await log.head(), other.position);
});

test('where one decision has an event and another has none, the position is that of the event', async (t) => {
  const { log } = await start(t);
  const record = recorderOf(log);
  await record(metadata, moveTo(1));
  const { position } = await record(metadata, moveTo(1), moveTo(2, 'other'));
  assert.equal(position, await log.head());
});

test('nothing is appended when one of several decisions is refused', async (t) => {
  const { log } = await start(t);
  const record = recorderOf(log);
  const { position } = await record(metadata, createProject('library'));
  await assert.rejects(record(metadata, moveTo(1), createProject('library')), Refusal);
  assert.equal(await log.head(), position);
});

test('who loses a race decides again on what the winner left', async (t) => {
  const { log, connect } = await start(t);
  const rival = recorderOf(await connect());
  const { log: raced, attempts } = interrupted(log, async (attempt) => {
    if (attempt === 1) await rival(metadata, moveTo(1));
  });
  const { states } = await recorderOf(raced)(metadata, createProject('library'), moveTo(2));

  assert.equal(attempts(), 2);
  assert.deepEqual(states, [library, digestOf(2)]);
  assert.deepEqual(
    (await historyOf(log)).map(({ type }) => type),
    ['TagAssigned', 'TagMoved'],
  );
  assert.equal((await historyOf(log, 'project/library')).length, 1);
});

test('who loses a race for a name is refused, and appends nothing', async (t) => {
  const { log, connect } = await start(t);
  const rival = recorderOf(await connect());
  const { log: raced } = interrupted(log, async (attempt) => {
    if (attempt === 1) await rival(metadata, createProject('library'));
  });
  await assert.rejects(recorderOf(raced)(metadata, createProject('library')), Refusal);
  assert.equal(await log.head(), 1n);
});

test('who loses every race gives up after a bounded number of attempts', async (t) => {
  const { log, connect } = await start(t);
  const rival = recorderOf(await connect());
  const { log: raced, attempts } = interrupted(log, (attempt) => rival(metadata, moveTo(attempt)));
  await assert.rejects(recorderOf(raced)(metadata, moveTo(0xffff)), RevisionConflict);
  assert.ok(attempts() > 5 && attempts() <= 100, `${attempts()} attempts`);
  assert.equal(await log.head(), BigInt(attempts()));
});

test('an outage of the log is not retried, since the append may have happened', async (t) => {
  const { log } = await start(t);
  const { log: away, attempts } = interrupted(log, async () => {
    throw new LogUnavailable('the test has cut the line');
  });
  await assert.rejects(recorderOf(away)(metadata, moveTo(1)), LogUnavailable);
  assert.equal(attempts(), 1);
});

test('within a process the decisions on one stream are taken in the order in which they came', async (t) => {
  const { log } = await start(t);
  const { log: counted, attempts } = interrupted(log, async () => undefined);
  const record = recorderOf(counted);
  const numbers = Array.from({ length: 40 }, (_, index) => index + 1);
  const recorded = await Promise.all(numbers.map((number) => record(metadata, moveTo(number))));

  assert.equal(attempts(), numbers.length, 'nobody was in conflict');
  assert.deepEqual(
    (await log.readStream('tag/library/hello:1.0')).events.map(({ position, data }) => [position, data]),
    recorded.map(({ position }, index) => [
      position,
      {
        repository: 'library/hello',
        tag: '1.0',
        ...(index > 0 && { from: digestOf(index) }),
        digest: digestOf(index + 1),
      },
    ]),
  );
});

test('a decision that is refused holds up nobody behind it', async (t) => {
  const { log } = await start(t);
  const record = recorderOf(log);
  const first = record(metadata, createProject('library'));
  const refused = record(metadata, createProject('library'), moveTo(1));
  const behind = record(metadata, moveTo(2));
  await first;
  await assert.rejects(refused, Refusal);
  assert.deepEqual((await behind).states, [digestOf(2)]);
});

test('a decision waits for those on its own streams only', { timeout: 60_000 }, async (t) => {
  const { log } = await start(t);
  const gate = Promise.withResolvers<void>();
  const { log: gated } = interrupted(log, async (_, streams) => {
    if (streams.includes('project/library')) await gate.promise;
  });
  const record = recorderOf(gated);
  const held = record(metadata, createProject('library'), moveTo(1));
  const waiting = record(metadata, moveTo(2));
  // Would never end if it waited for the first one.
  await record(metadata, moveTo(1, 'other'));
  assert.equal((await historyOf(log)).length, 0);
  gate.resolve();
  await Promise.all([held, waiting]);
  assert.deepEqual(
    (await historyOf(log)).map(({ type }) => type),
    ['TagAssigned', 'TagMoved'],
  );
});

test('of two processes that move one tag at once, each event says truly where the tag was', async (t) => {
  const { log, connect } = await start(t);
  const both = [recorderOf(log), recorderOf(await connect())];
  const moves = both.flatMap((record, process) =>
    Array.from({ length: 10 }, (_, index) => record(metadata, moveTo(process * 100 + index + 1))),
  );
  await Promise.all(moves);

  const { events } = await log.readStream('tag/library/hello:1.0');
  assert.equal(events.length, 20);
  const before = events.map(({ data }) => ('from' in data ? data.from : undefined));
  const after = events.map(({ data }) => ('digest' in data ? data.digest : undefined));
  assert.deepEqual(before, [undefined, ...after.slice(0, -1)]);
});

test('a decider sees stored events in the current version only', async (t) => {
  const { log } = await start(t);
  type Counted = { type: 'Counted'; data: { by: { amount: number } } };
  const versions: Catalogue = new Map([
    [
      'Counted',
      {
        type: 'Counted',
        stream: 'counter/<name>',
        description: 'Made by the test.',
        schema: z.object({ by: z.object({ amount: z.number() }) }),
        upcasters: [({ by }) => ({ by: { amount: by } })],
      },
    ],
  ]);
  const counter: Decider<number, number, Counted> = {
    initial: 0,
    decide: (_, amount) => [{ type: 'Counted', data: { by: { amount } } }],
    evolve: (sum, { data }) => sum + data.by.amount,
  };
  await log.append('counter/1', 'none', [
    { id: newEventId(), type: 'Counted', version: 1, data: { by: 2 }, metadata },
  ]);
  const record = recorder({ log, catalogue: versions, newEventId });
  const { states } = await record(metadata, decision('counter/1', counter, 3));

  assert.deepEqual(states, [5]);
  assert.equal(await stateOf(log, versions, 'counter/1', counter), 5);
  const { events } = await log.readStream('counter/1');
  assert.deepEqual(
    events.map(({ version, data }) => ({ version, data })),
    [
      { version: 1, data: { by: 2 } },
      { version: 2, data: { by: { amount: 3 } } },
    ],
  );
});
