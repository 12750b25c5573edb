import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { idAllocator } from '../commands/allocate-id.ts';
import { catalogue } from '../domain/catalogue.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { LogUnavailable } from '../infra/event-log/port.ts';
import { openLog } from './contracts/event-log-postgres-client.ts';
import { startPostgres } from './postgres.ts';

const metadata = { actor: 'system' };
const allocatorOn = (log: EventLog) => idAllocator({ log, catalogue, newEventId });

/** As many processes on one log as asked for. */
async function start(t: TestContext, processes = 1): Promise<readonly [EventLog, ...EventLog[]]> {
  const { connection } = await startPostgres(t);
  const logs = await Promise.all(
    Array.from({ length: processes }, () => openLog(JSON.stringify(connection()))),
  );
  for (const log of logs) t.after(() => log.close());
  const [first = assert.fail(), ...others] = logs;
  return [first, ...others];
}

test('the first numbers follow those that are taken from the start', async (t) => {
  const [log] = await start(t);
  const allocate = allocatorOn(log);
  assert.equal(await allocate('user', metadata), 3);
  assert.equal(await allocate('project', metadata), 2);
  assert.equal(await allocate('member', metadata), 2);
  assert.equal(await allocate('robot', metadata), 1);
  assert.equal(await allocate('user', metadata), 4);
});

test('a process that starts goes on after the last number, and reads no event for it', async (t) => {
  const [log] = await start(t);
  const before = allocatorOn(log);
  for (let n = 0; n < 5; n++) await before('robot', metadata);
  let read = 0;
  const watched: EventLog = {
    ...log,
    async readStream(stream, from) {
      const slice = await log.readStream(stream, from);
      read += slice.events.length;
      return slice;
    },
  };
  assert.equal(await allocatorOn(watched)('robot', metadata), 6);
  assert.equal(read, 0);
});

test('of many who ask at once in several processes each gets a number of its own, without a gap', async (t) => {
  const logs = await start(t, 3);
  const numbers = await Promise.all(
    logs.map(allocatorOn).flatMap((allocate) => Array.from({ length: 20 }, () => allocate('user', metadata))),
  );
  assert.deepEqual(
    numbers.toSorted((one, other) => one - other),
    Array.from({ length: 60 }, (_, index) => index + 3),
  );
});

test('a number that may have been given away when the log failed is not given away again', async (t) => {
  const [log] = await start(t);
  let failures = 1;
  const failing: EventLog = {
    ...log,
    async append(...given) {
      const position = await log.append(...given);
      if (failures-- > 0) throw new LogUnavailable('the answer was lost');
      return position;
    },
  };
  const allocate = allocatorOn(failing);
  await assert.rejects(allocate('user', metadata), LogUnavailable);
  assert.equal(await allocate('user', metadata), 4);
});
